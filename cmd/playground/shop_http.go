package main

import (
	"crypto/subtle"
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"strings"
	"time"
)

//go:embed page
var pageFiles embed.FS

// pagePolicy lets the page load what this server serves, and nothing else.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// maxBody bounds every request this network reads.
const maxBody = 1 << 20

// handler serves the customers' page, its calls, and /send_message, which the
// gateway calls with token.
func (s *shop) handler(token string) http.Handler {
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic(err) // the embedded folder is there or the build is broken
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /events", s.serveEvents)
	mux.HandleFunc("POST /chats", s.serveNewChat)
	mux.HandleFunc("POST /messages", s.serveWrite)
	mux.HandleFunc("POST /offline", s.serveOffline)
	mux.HandleFunc("POST /send_message", s.serveSend(token))
	guard := http.NewCrossOriginProtection()
	return guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	}))
}

// decode reads a JSON body into v, or answers 400.
func decode(w http.ResponseWriter, r *http.Request, v any) bool {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(v)
	if err != nil {
		http.Error(w, "not the JSON that was expected", http.StatusBadRequest)
	}
	return err == nil
}

// serveEvents streams changes to one page until either side ends.
func (s *shop) serveEvents(w http.ResponseWriter, r *http.Request) {
	events, cancel := s.watch()
	defer cancel()
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	for {
		select {
		case <-r.Context().Done():
			return
		case event, open := <-events:
			if !open {
				return
			}
			if _, err := w.Write(event); err != nil {
				return
			}
			if flush.Flush() != nil {
				return
			}
		}
	}
}

// serveNewChat opens a chat for a new customer.
func (s *shop) serveNewChat(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Name string `json:"name"`
	}
	if !decode(w, r, &in) {
		return
	}
	s.mu.Lock()
	c := s.addChat(0, in.Name)
	s.mu.Unlock()
	if c == nil {
		http.Error(w, "too many customers", http.StatusConflict)
		return
	}
	writeJSON(w, http.StatusCreated, map[string]int64{"id": c.ID})
}

// serveWrite takes what a customer does: writes text, presses a button, or
// lets the network repeat a webhook call as networks do.
func (s *shop) serveWrite(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Chat   int64   `json:"chat"`
		Text   string  `json:"text"`
		Button *button `json:"button"`
		Repeat string  `json:"repeat"`
	}
	if !decode(w, r, &in) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.find(in.Chat)
	if c == nil {
		http.Error(w, "no such chat", http.StatusNotFound)
		return
	}
	var m *message
	switch text := truncate(strings.TrimSpace(in.Text), maxText); {
	case in.Repeat != "":
		if m = c.message(in.Repeat); m == nil || !m.FromMe {
			http.Error(w, "no such message", http.StatusNotFound)
			return
		}
	case in.Button != nil:
		m = &message{ID: newID(), FromMe: true, Text: in.Button.Text, At: time.Now(), State: "sending", pressed: in.Button}
	case text != "":
		m = &message{ID: newID(), FromMe: true, Text: text, At: time.Now(), State: "sending"}
	default:
		http.Error(w, "nothing to send", http.StatusBadRequest)
		return
	}
	select {
	case c.outbox <- m:
	default:
		http.Error(w, "too many messages wait to be sent", http.StatusServiceUnavailable)
		return
	}
	if in.Repeat == "" {
		s.add(c, m)
	}
	writeJSON(w, http.StatusAccepted, map[string]string{"id": m.ID})
}

// serveOffline makes the network play dead towards the gateway, or live.
func (s *shop) serveOffline(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Offline bool `json:"offline"`
	}
	if !decode(w, r, &in) {
		return
	}
	s.mu.Lock()
	s.offline = in.Offline
	s.publish("offline", in.Offline)
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// serveSend is the client's side of the channel: the gateway posts answers.
func (s *shop) serveSend(token string) http.HandlerFunc {
	want := []byte("Token " + token)
	return func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			http.Error(w, "wrong token", http.StatusUnauthorized)
			return
		}
		var in struct {
			ChatID  int64 `json:"chat_id"`
			Message struct {
				ID   string `json:"id"`
				Text string `json:"text"`
				Data struct {
					Buttons []button `json:"buttons"`
				} `json:"data"`
			} `json:"message"`
		}
		if !decode(w, r, &in) {
			return
		}
		if in.Message.ID == "" {
			http.Error(w, "message.id is missing", http.StatusBadRequest)
			return
		}
		m := &message{ID: in.Message.ID, Text: in.Message.Text, Buttons: in.Message.Data.Buttons, At: time.Now()}
		if !s.take(in.ChatID, m) {
			http.Error(w, "closed for repairs", http.StatusServiceUnavailable)
			return
		}
		writeJSON(w, http.StatusOK, map[string]bool{"ok": true})
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the page is gone: nobody to tell
}
