package sign

import (
	"encoding/json"
	"testing"

	"servicelink/test/netsim/twilio"
)

// signed is where the files are kept.
const signed = "../../../connectors/internal/twilio/testdata/signed"

// request is one file: see sign.mjs.
type request struct {
	Name      string
	URL       string
	SignedURL string `json:"signed_url"`
	Params    map[string]values
	Body      string
	Token     string
	Signature string
}

// values is one value or a list of them.
type values []string

func (v *values) UnmarshalJSON(raw []byte) error {
	if raw[0] == '[' {
		return json.Unmarshal(raw, (*[]string)(v))
	}
	*v = make(values, 1)
	return json.Unmarshal(raw, &(*v)[0])
}

// TestSimulator: the simulated Twilio signs as Twilio's library does, so what the
// tests with the simulator take for genuine is.
func TestSimulator(t *testing.T) {
	for _, r := range requests(t) {
		address := r.URL
		if r.SignedURL != "" {
			address = r.SignedURL
		}
		if got := twilio.Signature(r.Token, address, r.form()); got != r.Signature {
			t.Errorf("%s: the simulator signs %s, Twilio's library %s", r.Name, got, r.Signature)
		}
	}
}
