package config

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const planted = "planted-0451"

// holder has a secret in every place from which fmt could take it.
type holder struct {
	Secret Secret
	hidden Secret
	deep   struct{ secrets []Secret }
	byName map[string]Secret
	ptr    *Secret
	any    any
}

func newHolder() holder {
	s := NewSecret(planted)
	h := holder{Secret: s, hidden: s, byName: map[string]Secret{"a": s}, ptr: &s, any: s}
	h.deep.secrets = []Secret{s}
	return h
}

func TestSecretDoesNotPrint(t *testing.T) {
	h := newHolder()
	values := map[string]any{
		"secret": h.Secret, "pointer": &h.Secret, "struct": h, "struct pointer": &h,
		"slice": []Secret{h.Secret}, "map": h.byName, "error": fmt.Errorf("wrapped %v", h),
	}
	for name, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T", "%b"} {
			assertMasked(t, name+" "+verb, fmt.Sprintf(verb, value))
		}
		var text, jsonLog bytes.Buffer
		for _, logger := range []*slog.Logger{
			slog.New(slog.NewTextHandler(&text, nil)), slog.New(slog.NewJSONHandler(&jsonLog, nil)),
		} {
			logger.Info("x", "value", value, slog.Group("g", slog.Any("inner", value)))
		}
		assertMasked(t, name+" slog text", text.String())
		assertMasked(t, name+" slog json", jsonLog.String())
		for encoder, encode := range map[string]func(any) ([]byte, error){
			"json": json.Marshal, "yaml": yaml.Marshal, "xml": xml.Marshal,
		} {
			out, err := encode(value)
			assertMasked(t, name+" "+encoder, string(out)+fmt.Sprint(err))
		}
	}
}

// assertMasked looks for the secret as it is, in hex and in any of fmt's forms
// of a byte slice.
func assertMasked(t *testing.T, what, out string) {
	t.Helper()
	forms := []string{
		planted, fmt.Sprintf("%x", planted), fmt.Sprintf("%X", planted),
		strings.Trim(fmt.Sprint([]byte(planted)), "[]"),
	}
	for _, form := range forms {
		if strings.Contains(out, form) {
			t.Errorf("%s shows the secret: %s", what, out)
		}
	}
}

func TestSecretSaysThatItIsSet(t *testing.T) {
	if got := fmt.Sprint(NewSecret("x")); got != "[secret]" {
		t.Errorf("set secret prints %q", got)
	}
	if got := fmt.Sprint(Secret{}); got != "" {
		t.Errorf("unset secret prints %q", got)
	}
	if out, err := json.Marshal(NewSecret("x")); err != nil || string(out) != `"[secret]"` {
		t.Errorf("json gives %s, %v", out, err)
	}
}

func TestSecretValue(t *testing.T) {
	set := NewSecret(planted)
	switch {
	case set.Reveal() != planted, set.IsZero():
		t.Error("a set secret is not what was set")
	case !set.Equal(planted), set.Equal(planted + "x"), set.Equal(""):
		t.Error("Equal is wrong for a set secret")
	case !(Secret{}).IsZero(), (Secret{}).Reveal() != "", !NewSecret("").IsZero():
		t.Error("an unset secret has a value")
	case (Secret{}).Equal(""), NewSecret("").Equal(""):
		t.Error("an unset secret equals the empty string: a forgotten token would let everyone in")
	}
	if reflect.TypeFor[Secret]().Comparable() {
		t.Error("secrets can be compared with ==, which is not constant-time")
	}
	if reflect.TypeFor[Secret]().Size() != reflect.TypeFor[*string]().Size() {
		t.Error("a secret is larger than its pointer")
	}
}
