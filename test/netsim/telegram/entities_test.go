package telegram

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEntities(t *testing.T) {
	for _, tc := range []struct{ mode, text, want string }{
		{"HTML", "<b>é😀</b><i>x</i>", `é😀x [{bold 0 3} {italic 3 1}]`},
		{"HTML", "<b>a<i>b</i></b>", `ab [{bold 0 2} {italic 1 1}]`},
		{"HTML", "a &lt;&amp;&gt;&quot;&#65;&#x42;&nope; &", `a <&>"AB&nope; & []`},
		{"HTML", `<a href="http://x/?a=1">l</a>`, `l [{text_link 0 1 http://x/?a=1}]`},
		{"HTML", `<pre><code class="language-go">x</code></pre>`, `x [{pre 0 1} {code 0 1}]`},
		{"HTML", `<SPAN class="tg-spoiler">x</SPAN>`, `x [{spoiler 0 1}]`},
		{"HTML", "  <b>a</b> ", `a [{bold 0 1}]`},
		{"HTML", "<b>a", `Can't find end tag corresponding to start tag "b"`},
		{"HTML", "a</b>", "Unexpected end tag at byte offset 1"},
		{"HTML", "<b>a</i>", `Unmatched end tag at byte offset 4, expected "</b>", found "</i>"`},
		{"HTML", "é<x>a</x>", `Unsupported start tag "x" at byte offset 2`},
		{"HTML", "1 < 2", "Unclosed start tag at byte offset 2"},
		{"HTML", "<b>x</b", "Unclosed end tag at byte offset 4"},
		{"HTML", "<span>x</span>", `Tag "span" must have class "tg-spoiler" at byte offset 0`},
		{"MarkdownV2", "*a* _b_ __c__ ~d~ ||e|| `f`", `a b c d e f [{bold 0 1} {italic 2 1} {underline 4 1} {strikethrough 6 1} {spoiler 8 1} {code 10 1}]`},
		{"MarkdownV2", "*a _b_*", `a b [{bold 0 3} {italic 2 1}]`},
		{"MarkdownV2", `1\. \*x\*`, `1. *x* []`},
		{"MarkdownV2", "[l](http://x/\\))", `l [{text_link 0 1 http://x/)}]`},
		{"MarkdownV2", "```go\nx.y\n```", "x.y [{pre 0 3}]"},
		{"MarkdownV2", ">q\n>r\ns", "q\nr\ns [{blockquote 0 3}]"},
		{"MarkdownV2", "*a", "Can't find end of Bold entity at byte offset 0"},
		{"MarkdownV2", "a.", `Character '.' is reserved and must be escaped with the preceding '\'`},
		{"MarkdownV2", "a!", `Character '!' is reserved and must be escaped with the preceding '\'`},
		{"MarkdownV2", "[a](b", "Can't find end of a URL at byte offset 4"},
		{"Markdown", "*a* _b_ `c` [l](u)", `a b c l [{bold 0 1} {italic 2 1} {code 4 1} {text_link 6 1 u}]`},
		{"Markdown", `\*a`, `*a []`},
		{"Markdown", "a_b", "Can't find end of the entity starting at byte offset 1"},
		{"", "<b>a</b>", `<b>a</b> []`},
	} {
		text, entities, err := formatted(params{values: map[string]string{"text": tc.text, "parse_mode": tc.mode}}, "text", "entities")
		got := fmt.Sprintf("%s %s", text, brief(entities))
		if err != nil {
			got = strings.TrimPrefix(err.Error(), "400 Bad Request: can't parse entities: ")
		}
		if got != tc.want {
			t.Errorf("%s %q:\n%s, want\n%s", tc.mode, tc.text, got, tc.want)
		}
	}
}

func brief(entities []entity) string {
	list := make([]string, len(entities))
	for i, e := range entities {
		list[i] = strings.TrimRight(fmt.Sprintf("{%s %d %d %s", e.Type, e.Offset, e.Length, e.URL), " ") + "}"
	}
	return "[" + strings.Join(list, " ") + "]"
}

func TestListedEntities(t *testing.T) {
	p := params{values: map[string]string{
		"text":     " ab ",
		"entities": `[{"type":"bold","offset":0,"length":2},{"type":"italic","offset":-1,"length":9},{"type":"code","offset":9,"length":9}]`,
	}}
	text, entities, err := formatted(p, "text", "entities")
	if err != nil || text != "ab" || brief(entities) != "[{bold 0 1}]" {
		t.Errorf("%q %s %v", text, brief(entities), err)
	}
	p.values["entities"] = "{"
	if _, _, err := formatted(p, "text", "entities"); err == nil {
		t.Error("broken JSON is taken")
	}
}

// FuzzFormatted: whatever the text, the marks go and the entities lie inside.
func FuzzFormatted(f *testing.F) {
	for _, s := range []string{"<b>x</b>&lt;", "*a _b_*", "[l](u)", "```go\nx```", ">q\n>r", "![x](tg://emoji?id=1)", "a&#x41;<a href='x'>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, mode := range []string{"HTML", "Markdown", "MarkdownV2"} {
			text, entities, err := formatted(params{values: map[string]string{"text": s, "parse_mode": mode}}, "text", "entities")
			if err != nil {
				if _, ok := errors.AsType[*apiError](err); !ok {
					t.Fatal(err)
				}
				continue
			}
			if !utf8.ValidString(text) {
				t.Fatalf("%s makes no UTF-8 of %q", mode, s)
			}
			for _, e := range entities {
				if e.Offset < 0 || e.Length <= 0 || e.Offset+e.Length > utf16Len(text) {
					t.Fatalf("%s of %q: %+v is outside", mode, s, e)
				}
			}
		}
	})
}

// FuzzBody: no body of any type breaks the server, and what it says is JSON.
func FuzzBody(f *testing.F) {
	f.Add("application/json", `{"chat_id":1,"text":"x","reply_markup":{"inline_keyboard":[[{"text":"a"}]]}}`)
	f.Add("application/x-www-form-urlencoded", "chat_id=1&text=x&reply_parameters={}")
	f.Add("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nx\r\n--b--\r\n")
	f.Add("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a\"\r\n\r\nx\r\n--b--\r\n")
	n := New(Options{})
	f.Cleanup(n.Close)
	if err := n.AddAccount(Account{Token: token}); err != nil {
		f.Fatal(err)
	}
	if err := n.Inject(token, []byte(`{"message":{"message_id":1,"chat":{"id":1,"type":"private","first_name":"A"}}}`)); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, contentType, body string) {
		for _, method := range []string{"sendMessage", "sendPhoto", "sendMediaGroup", "editMessageText", "answerCallbackQuery"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/bot"+token+"/"+method, strings.NewReader(body))
			r.Header.Set("Content-Type", contentType)
			w := httptest.NewRecorder()
			n.API().ServeHTTP(w, r)
			if !json.Valid(w.Body.Bytes()) || w.Code == http.StatusInternalServerError {
				t.Fatalf("%s: %d %q", method, w.Code, w.Body)
			}
		}
	})
}
