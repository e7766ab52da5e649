package gateway

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"servicelink/connectors"
	"servicelink/gateway/journal"
)

func TestReadTemplate(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text  string
		want  *connectors.Template
		wrong string
	}{
		"no template":        {text: "hello"},
		"spoken of":          {text: "write [[template:HX1]] to me"},
		"a button":           {text: "[[yes|y]]"},
		"an id":              {text: "[[template:HX1]]", want: &connectors.Template{ID: "HX1"}},
		"an id of all sorts": {text: "[[template:order_ready:v1.2-b]]", want: &connectors.Template{ID: "order_ready:v1.2-b"}},
		"variables": {
			text: "[[template:HX1|1=Ann|name=a = b & {c}]]",
			want: &connectors.Template{ID: "HX1", Variables: map[string]string{"1": "Ann", "name": "a = b & {c}"}},
		},
		"white space": {
			text: " \n\t[[template: HX1 | 1 = Ann Lee | 2= ]] \r\n",
			want: &connectors.Template{ID: "HX1", Variables: map[string]string{"1": "Ann Lee", "2": ""}},
		},
		"escapes": {
			text: `[[template:HX1|1=a\|b\]\]|2=c\\|3=\n[d]\e]]`,
			want: &connectors.Template{ID: "HX1", Variables: map[string]string{"1": "a|b]]", "2": `c\`, "3": `\n[d]\e`}},
		},
		"an escape at the end": {text: `[[template:HX1|1=a\]]`, wrong: wrongTemplateEnd},
		"no end":               {text: "[[template:HX1|1=a", wrong: wrongTemplateEnd},
		"an early end":         {text: "[[template:HX1|1=a]]b]]", wrong: wrongTemplateBracket},
		"three brackets":       {text: "[[template:HX1|1=a]]]", wrong: wrongTemplateBracket},
		"a word behind":        {text: "[[template:HX1]] now", wrong: wrongTemplateBracket},
		"no id":                {text: "[[template:]]", wrong: wrongTemplateID},
		"no id before a value": {text: "[[template:|1=a]]", wrong: wrongTemplateID},
		"a strange id":         {text: "[[template:HX/1]]", wrong: wrongTemplateID},
		"a long id":            {text: "[[template:" + strings.Repeat("x", 129) + "]]", wrong: wrongTemplateID},
		"no name":              {text: "[[template:HX1|=a]]", wrong: wrongTemplateVariable},
		"a value alone":        {text: "[[template:HX1|a]]", wrong: wrongTemplateVariable},
		"a bar in a value":     {text: "[[template:HX1|1=a|b]]", wrong: wrongTemplateVariable},
		"twice":                {text: "[[template:HX1|1=a|1=b]]", wrong: wrongTemplateTwice},
		"a text before it":     {text: "hello\n[[template:HX1]]", wrong: wrongTemplateAlone},
		"a text behind it":     {text: "[[template:HX1]]\nhello", wrong: wrongTemplateAlone},
		"a reply":              {text: "[[reply:m1]]\n[[template:HX1]]", wrong: wrongTemplateAlone},
		"a carriage return":    {text: "[[template:HX1]]\rhello", wrong: wrongTemplateAlone},
		"two":                  {text: "[[template:HX1]]\n[[template:HX2]]", wrong: wrongTemplateAlone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, wrong := readTemplate(tc.text)
			if diff := cmp.Diff(tc.want, got); diff != "" || wrong != tc.wrong {
				t.Errorf("wrong %q, want %q; template (-want +got):\n%s", wrong, tc.wrong, diff)
			}
		})
	}
}

// FuzzReadTemplate: what is read can be written again, and is read as the same.
func FuzzReadTemplate(f *testing.F) {
	f.Add("[[template:HX1|1=Ann|2=a\\|b\\]\\\\]]")
	f.Add(" [[template:HX1]]\n")
	f.Add("hello\n[[template:|]]")
	f.Fuzz(func(t *testing.T, text string) {
		got, wrong := readTemplate(text)
		switch {
		case got != nil && wrong != "":
			t.Fatalf("%q is a template and wrong: %s", text, wrong)
		case got == nil:
			if line := strings.TrimSpace(text); wrong == "" && strings.HasPrefix(line, templateMark) {
				t.Fatalf("%q would be sent as it is", text)
			}
			return
		}
		again, wrong := readTemplate(writeTemplate(got))
		if diff := cmp.Diff(got, again); diff != "" || wrong != "" {
			t.Errorf("%q, written as %q: %s\n%s", text, writeTemplate(got), wrong, diff)
		}
	})
}

func writeTemplate(t *connectors.Template) string {
	line := templateMark + t.ID
	for _, name := range slices.Sorted(maps.Keys(t.Variables)) {
		line += "|" + name + "=" + strings.NewReplacer(`\`, `\\`, "|", `\|`, "]", `\]`).Replace(t.Variables[name])
	}
	return line + "]]"
}

func TestTemplateIsSentAsOne(t *testing.T) {
	inWindowHouse(t, func(h *windowHouse) {
		h.writes("ann", 1)
		h.waits(time.Second)
		id := h.says("ann", "[[template:HX1|1=Ann]]")
		h.waits(time.Second)
		want := []connectors.Part{{
			ID: id, Ref: h.net.ref(id), To: connectors.Address{TrackingID: "ann|fake", RemoteAddress: "ann"},
			Template: &connectors.Template{ID: "HX1", Variables: map[string]string{"1": "Ann"}},
		}}
		if diff := cmp.Diff(want, h.net.sent); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got := h.confirmed("ann"); !slices.Equal(got, []string{id}) {
			t.Errorf("confirmed: %v", got)
		}
	})
}

// TestMarkupOfTemplatesIsNeverSent: the agent is told what to do about it.
func TestMarkupOfTemplatesIsNeverSent(t *testing.T) {
	for name, tc := range map[string]struct{ text, note string }{
		"no templates": {"[[template:HX1]]", noTemplates},
		"malformed":    {"[[template:HX1|1]]", noTemplates},
		"not alone":    {"hello\n[[template:HX1]]", noTemplates},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) { h.isRejected(tc.text, tc.note) })
		})
	}
	inWindowHouse(t, func(h *windowHouse) { h.isRejected("[[template:HX1|1]]", wrongTemplateVariable) })
}

// isRejected checks that nothing of a sentence is sent, and that the agent hears
// why.
func (h *house) isRejected(text, why string) {
	h.Helper()
	h.writes("ann", 1)
	h.waits(time.Second)
	id := h.says("ann", text)
	h.waits(time.Second)
	_, notes := h.shown("ann")
	if want := []string{"Message " + id + " was not delivered: " + why + "."}; !slices.Equal(notes, want) {
		h.Errorf("notes %q, want %q", notes, want)
	}
	if h.net.tried > 0 || !slices.Equal(h.dead(), []string{string(connectors.ReasonContent)}) || h.pending(journal.Out) > 0 {
		h.Errorf("attempts %d, dead %v, pending %d", h.net.tried, h.dead(), h.pending(journal.Out))
	}
}
