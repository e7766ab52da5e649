package sign

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
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
	files, err := filepath.Glob(filepath.Join(signed, "*.json"))
	if err != nil || len(files) < 100 {
		t.Fatalf("%d signed requests, %v", len(files), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var r request
		if err := json.Unmarshal(raw, &r); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if r.SignedURL == "" {
			r.SignedURL = r.URL
		}
		form := url.Values{}
		for name, list := range r.Params {
			form[name] = list
		}
		if got := twilio.Signature(r.Token, r.SignedURL, form); got != r.Signature {
			t.Errorf("%s: the simulator signs %s, Twilio's library %s", r.Name, got, r.Signature)
		}
	}
}
