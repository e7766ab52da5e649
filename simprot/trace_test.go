package simprot

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// TestTraceParentTravels in the third element, beside the other extras, in
// both encodings.
func TestTraceParentTravels(t *testing.T) {
	for _, enc := range []Encoding{EncodingMsgpack, EncodingJSON} {
		for _, extras := range []Extras{{TraceParent: testTrace}, {Ask: "k3-1", More: true, TraceParent: testTrace}} {
			want := Packet{Code: CodePing, Payload: &Ping{Token: "x"}, Extras: extras}
			frame, err := AppendFrame(nil, want, enc)
			if err != nil {
				t.Fatal(err)
			}
			got, err := DecodePacket(frame[lengthSize:])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%v (-want +got):\n%s", enc, diff)
			}
		}
	}
}
