package omnichannel

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"servicelink/connectors/connectortest"
)

func harness() connectortest.Harness {
	const webhookToken, urlToken = "out-s3cret-0123456789", "url-s3cret-0123456789"
	return connectortest.Harness{
		New: New,
		Settings: func(base string) string {
			return "token: " + testToken + "\nwebhook_token: " + webhookToken + "\nwebhook_url: " + base + "/" + urlToken
		},
		Secrets: []string{testToken, webhookToken, urlToken},
		Webhook: &connectortest.Webhook{
			Text:    func(m connectortest.Message) *http.Request { return call(m, kindVisitor) },
			Unknown: func(m connectortest.Message) *http.Request { return call(m, "sticker") },
			Forge: func(r *http.Request) *http.Request {
				r.URL.Path = strings.Replace(r.URL.Path, testToken, testToken+"x", 1)
				return r
			},
		},
		Network: connectortest.Network{
			To:     "4200000000000017|omnichannel",
			Accept: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
			Read: func(_ *http.Request, body []byte) (id, text string) {
				var got sendMessage
				if json.Unmarshal(body, &got) != nil {
					return "", ""
				}
				return got.Message.ID, got.Message.Text
			},
			Guarded: true,
		},
	}
}

// call is the client's request with m in a message of this kind.
func call(m connectortest.Message, kind string) *http.Request {
	quote := func(s string) string {
		out, err := json.Marshal(s)
		if err != nil {
			panic(err)
		}
		return string(out)
	}
	if _, err := strconv.ParseUint(m.Conversation, 10, 64); err != nil {
		panic(err)
	}
	body := `{"event":"new_message","chat_id":` + m.Conversation + `,"visitor":{"id":"v1","fields":{"name":"Ann"}},` +
		`"message":{"id":` + quote(m.ID) + `,"kind":` + quote(kind) + `,"text":` + quote(m.Text) + `}}`
	path := strings.Replace(WebhookPath, "{token}", testToken, 1)
	return httptest.NewRequestWithContext(context.Background(), http.MethodPost, path, strings.NewReader(body))
}

func TestConformance(t *testing.T) { connectortest.Run(t, harness()) }

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.in.json")
	if err != nil {
		f.Fatal(err)
	}
	var seeds [][]byte
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, body)
	}
	connectortest.Fuzz(f, harness(), seeds...)
}
