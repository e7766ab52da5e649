package mail_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"servicelink/test/netsim/control"
	"servicelink/test/netsim/mail"
)

// TestControl: a page writes a mail, sees it arrive, answers it, reads what is in it,
// and deletes it.
func TestControl(t *testing.T) {
	s := start(t, mail.Options{Pipe: true})
	sim := http.StripPrefix("/control/mail", control.Handler(s))
	ask := func(method, path string, body any, into any) int {
		t.Helper()
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/control/mail/"+path, strings.NewReader(string(raw))))
		if into != nil {
			if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
				t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
			}
		}
		return w.Code
	}
	if status := ask(http.MethodPost, "accounts", map[string]any{"account": "bert@mail.test", "password": "x", "aliases": []string{"b@mail.test"}}, nil); status != http.StatusNoContent {
		t.Fatalf("a mailbox: %d", status)
	}
	var written map[string]string
	action := map[string]any{
		"do": "mail", "chat": "b@mail.test", "title": "Grüße", "text": "hello", "file": control.File{Name: "a.txt", Type: "text/plain", Data: []byte("in it")},
	}
	if status := ask(http.MethodPost, "act/"+anna, action, &written); status != http.StatusOK {
		t.Fatalf("a mail: %d %v", status, written)
	}
	var folder control.Conversation
	ask(http.MethodGet, "chat/bert@mail.test/INBOX", nil, &folder)
	if len(folder.Messages) != 1 {
		t.Fatalf("INBOX: %+v", folder)
	}
	m := folder.Messages[0]
	if m.Caption != "Grüße" || strings.TrimSpace(m.Text) != "hello" || m.From != control.FromAgent || len(m.More) != 1 || m.Contact.Name != "<"+anna+">" ||
		m.Mail == nil || m.Mail.ID != written["message"] || m.Mail.To != "<b@mail.test>" {
		t.Errorf("the mail: %+v", m)
	}
	for address, want := range map[string]string{m.File.URL: "Subject:", m.More[0].URL: "in it"} {
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, address, nil))
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", address, w.Code, w.Body)
		}
	}
	if status := ask(http.MethodPost, "act/bert@mail.test", map[string]any{"do": "mail", "chat": anna, "text": "thanks", "message": m.ID}, nil); status != http.StatusOK {
		t.Errorf("an answer: %d", status)
	}
	ask(http.MethodGet, "chat/"+anna+"/INBOX", nil, &folder)
	if len(folder.Messages) != 1 || string(folder.Messages[0].ReplyTo) != written["message"] ||
		!slices.Equal(folder.Messages[0].Mail.References, []string{written["message"]}) {
		t.Errorf("the answer: %+v, to %v", folder, written)
	}
	if status := ask(http.MethodPost, "act/bert@mail.test", map[string]any{"do": "delete", "message": m.ID}, nil); status != http.StatusOK {
		t.Errorf("delete: %d", status)
	}
	if n, err := s.Count("bert@mail.test", "INBOX"); n != 0 || err != nil {
		t.Errorf("%d mails, %v", n, err)
	}
	var list []control.ChatInfo
	ask(http.MethodGet, "chats/"+url.PathEscape(anna), nil, &list)
	if len(list) != 2 || list[0].Chat != "INBOX" || list[1].Chat != "Sent" {
		t.Errorf("folders: %+v", list)
	}
	if status := ask(http.MethodPost, "act/"+anna, map[string]any{"do": "mail", "chat": "nobody@mail.test"}, nil); status != http.StatusNotFound {
		t.Errorf("to nobody: %d", status)
	}
	var ports mail.Ports
	if ask(http.MethodGet, "settings", nil, &ports); ports.SMTP != s.SMTP() || !strings.Contains(ports.CA, "CERTIFICATE") {
		t.Errorf("settings: %+v", ports)
	}
}

// TestHTML: a mail in two ways is shown in both, and one that is HTML alone has no text.
func TestHTML(t *testing.T) {
	s := start(t, mail.Options{Pipe: true})
	const head = "From: a@mail.test\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: "
	for _, raw := range []string{
		head + "multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n" +
			"--b\r\nContent-Type: text/html\r\n\r\n<b>bold</b>\r\n--b--\r\n",
		head + "text/html\r\n\r\n<b>bold</b>",
	} {
		if err := s.Append(anna, []byte(raw)); err != nil {
			t.Fatal(err)
		}
	}
	c, err := s.Chat(t.Context(), anna, "INBOX", -1)
	if err != nil || len(c.Messages) != 2 {
		t.Fatalf("%+v %v", c, err)
	}
	for i, text := range []string{"plain", ""} {
		if m := c.Messages[i]; m.Text != text || m.Mail.HTML != "<b>bold</b>" {
			t.Errorf("%q and %q", m.Text, m.Mail.HTML)
		}
	}
}

// TestChatWaits: a long poll ends when a mail comes.
func TestChatWaits(t *testing.T) {
	s := start(t, mail.Options{Pipe: true})
	now, err := s.Chat(t.Context(), anna, "INBOX", -1)
	if err != nil {
		t.Fatal(err)
	}
	found := make(chan control.Conversation, 1)
	go func() {
		c, err := s.Chat(context.WithoutCancel(t.Context()), anna, "INBOX", now.Version)
		if err != nil {
			t.Error(err)
		}
		found <- c
	}()
	if err := s.Append(anna, []byte(note)); err != nil {
		t.Fatal(err)
	}
	if c := <-found; len(c.Messages) != 1 || c.Version <= now.Version {
		t.Errorf("%+v", c)
	}
}
