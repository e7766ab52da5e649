package arch

import (
	"testing"

	"pgregory.net/rapid"

	"servicelink/connectors"
	"servicelink/simprot"
)

// TestIDsAgree: the escaping of a TrackingId stands in connectors and in
// simprot, since neither may import the other. They must never differ.
func TestIDsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := string(rapid.SliceOf(rapid.Byte()).Draw(t, "id"))
		if ours, theirs := connectors.TrackingID(id), simprot.EscapeID(id); ours != theirs {
			t.Errorf("%q is %q in connectors and %q in simprot", id, ours, theirs)
		}
		escaped := rapid.StringMatching(`[0-9a-fA-F_|:.+@z -]*`).Draw(t, "escaped")
		ours, ok := connectors.UnescapeID(escaped)
		theirs, theirsOK := simprot.UnescapeID(escaped)
		if ours != theirs || ok != theirsOK {
			t.Errorf("%q is %q, %v in connectors and %q, %v in simprot", escaped, ours, ok, theirs, theirsOK)
		}
	})
	if connectors.MaxEventID != simprot.MaxID || connectors.MaxTrackingID != simprot.MaxTrackingID ||
		connectors.MaxUserToken != simprot.MaxUserToken || connectors.MaxRemoteAddress != simprot.MaxRemoteAddress {
		t.Error("the limits differ")
	}
}
