package secrets

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/google/uuid"

	"servicelink/simprot"
	"servicelink/simprot/refcore"
	"servicelink/test/netsim/control"
	"servicelink/test/netsim/twilio"
)

const (
	waSender  = "+420800123456"
	waAccount = "AC0123456789abcdef0123456789abcdef"
	waKey     = "SK0123456789abcdef0123456789abcdef"
)

// twilioSide is the simulated Twilio with one WhatsApp sender.
type twilioSide struct {
	*httptest.Server
	net     *twilio.Network
	gateway *toGateway
}

func newTwilio(s *stage) *twilioSide {
	s.Helper()
	gateway := &toGateway{s: s}
	sim := twilio.New(twilio.Options{Seed: 1, Transport: gateway})
	side := &twilioSide{net: sim.WhatsApp(), gateway: gateway}
	if err := side.net.AddAccount(twilio.Account{
		Account: waSender, AccountSID: waAccount, AuthToken: mark["auth token"], APIKey: waKey, APISecret: mark["api secret"],
		MessageURL: "https://gw.example.com/connector/whatsapp/message",
	}); err != nil {
		s.Fatal(err)
	}
	seen := s.writer("requests to networks")
	side.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := *r
		asked.URL = &url.URL{Path: r.URL.Path} // its lists are asked for by the customer's number
		noteRequest(seen, &asked)
		sim.API().ServeHTTP(w, r)
	}))
	s.Cleanup(func() { sim.Close(); side.Close() })
	return side
}

// toGateway takes calls of the public address to the gateway that runs, as a proxy
// in front of it does, and keeps its answers.
type toGateway struct {
	s    *stage
	addr atomic.Value // string
}

func (t *toGateway) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "http", t.addr.Load().(string) //nolint:forcetypeassert // nothing else is stored
	resp, err := t.s.client.Transport.RoundTrip(r)
	if err == nil {
		t.s.add("answers to webhooks", []byte(resp.Status))
	}
	return resp, err
}

func waAddress(number string) refcore.Address {
	return refcore.Address{Peer: peer, Port: "wa", TrackingID: number + "|whatsapp"}
}

func (s *stage) phoneDoes(number string, a control.Action) {
	s.Helper()
	a.Chat, a.User = control.ID(number), control.User{ID: control.ID(number), FirstName: mark["first name"]}
	if _, err := s.twilio.net.Act(waSender, a); err != nil {
		s.Fatalf("%s: %v", a.Do, err)
	}
}

// phonesTalk: a customer writes by signed webhooks, an agent answers; then sends
// fail in every way, each to a customer of its own so that they wait for nothing.
func (s *stage) phonesTalk() {
	s.Helper()
	s.twilio.gateway.addr.Store(s.gw.PublicAddr())
	number := mark["phone user"]
	s.phoneDoes(number, control.Action{Do: "text", Text: mark["customer text"]})
	s.phoneDoes(number, control.Action{Do: "photo", Caption: mark["caption"], File: &control.File{
		Name: mark["file name"] + ".png", Type: "image/png", Data: []byte(mark["file content"]),
	}})
	chat := s.answers(waAddress(number), mark["caption"])
	if err := s.core.Typing(chat, true); err != nil {
		s.Error(err)
	}
	s.until("the answer on the phone", func() bool {
		c, err := s.twilio.net.Chat(context.Background(), waSender, control.ID(number), -1)
		return err == nil && len(c.Messages) == 3
	})
	for i, f := range []control.Fault{
		{Kind: control.HTML}, {Kind: control.Truncated}, {Kind: control.Refuse, Code: 63013}, {Kind: control.Refuse, Code: 20003},
	} {
		other := number + strconv.Itoa(i)
		s.phoneDoes(other, control.Action{Do: "text", Text: mark["customer text"]})
		f.Method, f.Times = "create_message", 1
		if err := s.twilio.net.Fault(f); err != nil {
			s.Fatal(err)
		}
		s.answers(waAddress(other), mark["customer text"])
		s.failedSend("conversation=" + simprot.LogID(waAddress(other).TrackingID))
		s.twilio.net.Clear()
	}
	for _, signature := range []string{"", mark["guessed token"]} {
		s.forged("/connector/whatsapp/message", "application/x-www-form-urlencoded", "From=whatsapp%3A"+number+"&To=whatsapp%3A%2B"+waSender[1:]+
			"&AccountSid="+waAccount+"&MessageSid=SM1&Body="+mark["customer text"], "X-Twilio-Signature", signature)
	}
}

// answers lets the agent answer a customer once the core has text of theirs.
func (s *stage) answers(a refcore.Address, text string) (chat uuid.UUID) {
	s.Helper()
	s.until("the customer's message at the core", func() bool { return strings.Contains(s.saidBy(a), text) })
	state, err := s.core.Find(a)
	if err == nil {
		_, err = s.core.Say(state.ID, mark["agent text"])
	}
	if err != nil {
		s.Fatal(err)
	}
	return state.ID
}

// forged posts a customer's message with a wrong proof.
func (s *stage) forged(path, kind, body, header, proof string) {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), http.MethodPost, "http://"+s.gw.PublicAddr()+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	if proof != "" {
		req.Header.Set(header, proof)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode < 400 {
		s.Errorf("a forged message is answered %d", resp.StatusCode)
	}
}

// saidBy is all that the core has of a customer.
func (s *stage) saidBy(a refcore.Address) (text string) {
	s.Helper()
	chat, err := s.core.Find(a)
	if err != nil {
		return ""
	}
	_, sentences, err := s.core.Chat(chat.ID)
	if err != nil {
		s.Fatal(err)
	}
	for _, sn := range sentences {
		if sn.Model == simprot.ModelSentence && !sn.IsOutbound {
			text += sn.Text + "\n"
		}
	}
	return text
}
