package graph

import (
	"encoding/json"
	"testing"
)

// TestSignature: by values made with openssl.
func TestSignature(t *testing.T) {
	const body = `{"a":"\u00e4"}`
	if got := Signature("secret", []byte(body)); got != "sha256=b78ab4033415318a0fa14a82d6f5ca348bb74e377eed416f314566864d116718" {
		t.Errorf("256: %s", got)
	}
	if got := oldSignature("secret", []byte(body)); got != "sha1=8ff5f6367175b33c048536bda16bb83a02886336" {
		t.Errorf("1: %s", got)
	}
	if got := Proof("token", "secret"); got != "e941110e3d2bfe82621f0e3e1434730d7305d106c5f68c87165d0b27a4611a4a" {
		t.Errorf("proof: %s", got)
	}
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		`"plain\n"`:          `"plain\n"`,
		`"ä"`:                `"\u00e4"`,
		`"😀é"`:               `"\ud83d\ude00\u00e9"`,
		`"http://x/ä"`:       `"http:\/\/x\/\u00e4"`,
		"\"\u2028\uffff\"":   `"\u2028\uffff"`,
		`{"ключ":"\u0001/"}`: `{"\u043a\u043b\u044e\u0447":"\u0001\/"}`,
	} {
		if got := string(escape([]byte(in))); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// FuzzEscape: it is ASCII and means the same.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "a/b", "ä😀", "\\/", "\x00\u2028", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		raw := encode(s)
		var want, got string
		must(t, json.Unmarshal(raw, &want))
		out := escape(raw)
		for _, b := range out {
			if b >= 0x80 {
				t.Fatalf("%q is no ASCII", out)
			}
		}
		must(t, json.Unmarshal(out, &got))
		if got != want {
			t.Errorf("%q became %q", want, got)
		}
	})
}
