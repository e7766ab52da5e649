package secrets

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"

	"servicelink/simprot"
	"servicelink/simprot/refcore"
	"servicelink/test/netsim/control"
	"servicelink/test/netsim/graph"
)

const (
	fbPage = "100200300400500"
	fbApp  = "900800700600500"
)

// graphSide is the simulated Graph API with one page.
type graphSide struct {
	*httptest.Server
	net     *graph.Server
	gateway *toGateway
}

func newGraph(s *stage) *graphSide {
	s.Helper()
	side := &graphSide{gateway: &toGateway{s: s}}
	side.net = graph.New(graph.Options{Seed: 1, Transport: side.gateway, BaseURL: func() string { return side.URL }})
	if err := side.net.AddAccount(graph.Account{
		Account: fbPage, Name: "Shop", Token: mark["page token"], AppID: fbApp, AppSecret: mark["app secret"],
		VerifyToken: mark["verify token"], UserToken: mark["user token"], CallbackURL: "https://gw.example.com/connector/facebook/webhook",
	}); err != nil {
		s.Fatal(err)
	}
	seen := s.writer("requests to networks")
	side.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := *r
		asked.URL = &url.URL{Path: strings.ReplaceAll(r.URL.Path, mark["page's customer"], "")} // profiles and tokens are asked for by themselves
		noteRequest(seen, &asked)
		side.net.API().ServeHTTP(w, r)
	}))
	s.Cleanup(func() { side.net.Close(); side.Close() })
	return side
}

func fbAddress(psid string) refcore.Address {
	return refcore.Address{Peer: peer, Port: "fb", TrackingID: psid + "|" + fbPage + "|facebook"}
}

func (s *stage) pageHears(psid string, a control.Action) {
	s.Helper()
	a.Chat, a.User = control.ID(psid), control.User{ID: control.ID(psid), FirstName: mark["first name"], LastName: mark["last name"]}
	if _, err := s.graph.net.Act(fbPage, a); err != nil {
		s.Fatalf("%s: %v", a.Do, err)
	}
}

// pagesTalk: a customer writes to a page, an agent answers, somebody answers
// elsewhere; then sends fail in every way, and calls are forged.
func (s *stage) pagesTalk() {
	s.Helper()
	s.graph.gateway.addr.Store(s.gw.PublicAddr())
	psid := mark["page's customer"]
	s.pageHears(psid, control.Action{Do: "text", Text: mark["customer text"]})
	s.pageHears(psid, control.Action{Do: "document", File: &control.File{
		Name: mark["file name"] + ".txt", Type: "text/plain", Data: []byte(mark["file content"]),
	}})
	s.pageHears(psid, control.Action{Do: "inbox", Text: mark["agent text"]})
	s.pageHears(psid, control.Action{Do: "text", Text: mark["caption"]})
	s.answers(fbAddress(psid), mark["caption"])
	s.until("the answer on the phone", func() bool {
		c, err := s.graph.net.Chat(s.Context(), fbPage, control.ID(psid), -1)
		return err == nil && len(c.Messages) == 5
	})
	for i, f := range []control.Fault{
		{Kind: control.HTML},
		{Kind: control.Refuse, Code: 551, Subcode: 1545041},
		{Kind: control.Refuse, Code: 100, Subcode: 2018001},
		{Kind: control.Refuse, Code: 190, Subcode: 460},
	} {
		other := psid + strconv.Itoa(i)
		s.pageHears(other, control.Action{Do: "text", Text: mark["customer text"]})
		f.Method, f.Times = "send", 1
		if err := s.graph.net.Fault(f); err != nil {
			s.Fatal(err)
		}
		s.answers(fbAddress(other), mark["customer text"])
		s.failedSend("conversation=" + simprot.LogID(fbAddress(other).TrackingID))
		s.graph.net.Clear()
	}
	body := `{"object":"page","entry":[{"id":"` + fbPage + `","messaging":[{"sender":{"id":"` + psid + `"},"message":{"mid":"m_1","text":"` + mark["customer text"] + `"}}]}]}`
	for _, signature := range []string{"", "sha256=" + mark["guessed token"]} {
		s.forged("/connector/facebook/webhook", "application/json", body, "X-Hub-Signature-256", signature)
	}
	handshake := "/connector/facebook/webhook?hub.mode=subscribe&hub.challenge=1&hub.verify_token="
	s.wants("a wrong handshake", s.call(http.MethodGet, "http://"+s.gw.PublicAddr()+handshake+mark["guessed token"], "", "", "answers to webhooks"), http.StatusForbidden)
	s.wants("a handshake", s.call(http.MethodGet, "http://"+s.gw.PublicAddr()+handshake+mark["verify token"], "", "", "answers to webhooks"), http.StatusOK)
}
