package strictjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"servicelink/connectors/internal/strictjson"
)

func TestParseAccepts(t *testing.T) {
	for _, body := range []string{
		`{}`, `[]`, `""`, `0`, `-0`, `1.5e-3`, `1E+2`, `true`, `false`, `null`, " \t\r\n{ } \n",
		`{"a":{"a":1},"b":{"a":2}}`, `["a","a"]`, `{"":1}`, `{"a":"` + "\x7f" + `"}`,
		"\xef\xbb\xbf{}", `"\u0000\ud800\uDC00"`, strings.Repeat("[", 32) + strings.Repeat("]", 32),
	} {
		if _, err := strictjson.Parse([]byte(body)); err != nil {
			t.Errorf("Parse(%q) = %v", body, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	many := `{"a0":0`
	for i := range strictjson.MaxNames {
		many += `,"b` + strings.Repeat("b", i) + `":0`
	}
	for body, want := range map[string]error{
		"":                              strictjson.ErrSyntax,
		" ":                             strictjson.ErrSyntax,
		"\xef\xbb\xbf":                  strictjson.ErrSyntax,
		"\xef\xbb\xbf" + bom2:           strictjson.ErrSyntax,
		`{`:                             strictjson.ErrSyntax,
		`{"a"}`:                         strictjson.ErrSyntax,
		`{"a":}`:                        strictjson.ErrSyntax,
		`{"a":1,}`:                      strictjson.ErrSyntax,
		`{,}`:                           strictjson.ErrSyntax,
		`{a:1}`:                         strictjson.ErrSyntax,
		`[1,]`:                          strictjson.ErrSyntax,
		`[1 2]`:                         strictjson.ErrSyntax,
		`[1}`:                           strictjson.ErrSyntax,
		`01`:                            strictjson.ErrSyntax,
		`+1`:                            strictjson.ErrSyntax,
		`.5`:                            strictjson.ErrSyntax,
		`1.`:                            strictjson.ErrSyntax,
		`1e`:                            strictjson.ErrSyntax,
		`-`:                             strictjson.ErrSyntax,
		`NaN`:                           strictjson.ErrSyntax,
		`tru`:                           strictjson.ErrSyntax,
		`truex`:                         strictjson.ErrSyntax,
		`"`:                             strictjson.ErrSyntax,
		`"\`:                            strictjson.ErrSyntax,
		`"\u12`:                         strictjson.ErrSyntax,
		`"\u12g4"`:                      strictjson.ErrSyntax,
		`"\a"`:                          strictjson.ErrSyntax,
		"\"\x00\"":                      strictjson.ErrSyntax,
		"\"\t\"":                        strictjson.ErrSyntax,
		"\"\xff\"":                      strictjson.ErrSyntax,
		"\"\xed\xa0\x80\"":              strictjson.ErrSyntax, // a surrogate as UTF-8
		"\"\xc0\xaf\"":                  strictjson.ErrSyntax, // overlong
		`{} {}`:                         strictjson.ErrSyntax,
		"{}\x00":                        strictjson.ErrSyntax,
		`{"a":1,"a":2}`:                 strictjson.ErrTwice,
		`[{"a":1,"\u0061":2}]`:          strictjson.ErrTwice,
		`{"a":{"b":[1,{"c":1}]},"a":0}`: strictjson.ErrTwice,
		strings.Repeat("[", 33) + strings.Repeat("]", 33):       strictjson.ErrLimit,
		strings.Repeat(`{"a":`, 100_000):                        strictjson.ErrLimit,
		"[" + strings.Repeat("0,", strictjson.MaxValues) + "0]": strictjson.ErrLimit,
		many + "}": strictjson.ErrLimit,
	} {
		if _, err := strictjson.Parse([]byte(body)); !errors.Is(err, want) {
			t.Errorf("Parse(%.40q) = %v, want %v", body, err, want)
		}
	}
}

const bom2 = "\xef\xbb\xbf{}"

func TestLookUp(t *testing.T) {
	doc, err := strictjson.Parse([]byte(`{"n":-12e3,"s":"a\n\"\/\u00e9\ud83d\ude00\ud83d.","o":{"x":[1,{"s":"inner"}],"s":null},"esc\u0061ped":true}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(doc.Member("n").Raw()); got != "-12e3" || doc.Member("n").Kind() != strictjson.Number {
		t.Errorf("n = %q", got)
	}
	if got := doc.Member("s").Text(); got != "a\n\"/é😀\ufffd." {
		t.Errorf("s = %q", got)
	}
	if got := doc.Member("o").Member("s").Kind(); got != strictjson.Null {
		t.Errorf("o.s is of kind %d", got)
	}
	if got := doc.Member("escaped").Kind(); got != strictjson.Bool {
		t.Errorf("escaped is of kind %d", got)
	}
	for _, none := range []strictjson.Value{
		doc.Member("S"), doc.Member("x"), doc.Member("n").Member("x"), doc.Member("o").Member("x").Member("s"), {},
	} {
		if none.Kind() != strictjson.Absent || none.Text() != "" || none.Raw() != nil {
			t.Errorf("found %q", none.Raw())
		}
	}
}

// FuzzParse: whatever is accepted is what encoding/json understands too, and
// what is refused is refused for a reason that can be named.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"a":[1,"\u00e9",{"b":null}],"c":-1.5e3}`, `{"a":1,"a":2}`, "\xef\xbb\xbf[]", `"\ud83d\ude00"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		plain := bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
		doc, err := strictjson.Parse(body)
		if err == nil && !json.Valid(plain) {
			t.Fatalf("accepted %q", body)
		}
		if errors.Is(err, strictjson.ErrSyntax) && json.Valid(plain) && utf8.Valid(plain) {
			t.Fatalf("refused %q: %v", body, err)
		}
		if err != nil || doc.Kind() != strictjson.Object {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(plain, &want); err != nil {
			t.Fatal(err)
		}
		for name, raw := range want {
			v := doc.Member(name)
			var text string
			if json.Unmarshal(raw, &text) == nil && v.Kind() == strictjson.String {
				if v.Text() != text {
					t.Fatalf("member %q of %q = %q, want %q", name, body, v.Text(), text)
				}
			} else if !strings.Contains(name, "\ufffd") && string(v.Raw()) != string(raw) {
				t.Fatalf("member %q of %q = %q, want %q", name, body, v.Raw(), raw)
			}
		}
	})
}
