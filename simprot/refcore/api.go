package refcore

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// maxBody bounds a request of the HTTP interface, in bytes.
const maxBody = 4 << 20

// apiError is a failure the caller is told about.
type apiError struct {
	status int
	text   string
}

func (e *apiError) Error() string { return e.text }

func badRequest(text string) error { return &apiError{http.StatusBadRequest, text} }

// api mounts the control interface; README.md documents it.
func (c *Core) api(mux *http.ServeMux) {
	get := func(path string, do func(*http.Request) (any, error)) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			out, err := do(r)
			reply(w, out, err)
		})
	}
	get("/api/chats", func(*http.Request) (any, error) { return c.summaries() })
	get("/api/chats/{id}", c.apiChat)
	get("/api/sentences", c.apiSentences)
	get("/api/offences", func(*http.Request) (any, error) { return c.Offences(), nil })
	get("/api/stats", func(*http.Request) (any, error) { return c.Stats(), nil })
	get("/api/signal", func(*http.Request) (any, error) { return c.signalView(), nil })
	get("/api/gateways", func(*http.Request) (any, error) { return c.gatewaysView(), nil })
	get("/api/messages", c.apiMessages)
	get("/api/messages/{id}", c.apiMessage)
	get("/api/faults", func(*http.Request) (any, error) { return faultViews(c.Faults()), nil })

	mux.HandleFunc("PUT /api/gateways", post(c.apiSetGateways))
	mux.HandleFunc("POST /api/messages", post(c.apiSend))
	mux.HandleFunc("POST /api/messages/{id}/resend", c.apiResend)
	mux.HandleFunc("POST /api/say", post(c.apiSay))
	mux.HandleFunc("POST /api/answer", post(func(t target) (any, error) { return c.onChat(t, c.Answer) }))
	mux.HandleFunc("POST /api/read", post(func(t target) (any, error) { return c.onChat(t, c.Read) }))
	mux.HandleFunc("POST /api/close", post(func(t target) (any, error) { return c.onChat(t, c.CloseChat) }))
	mux.HandleFunc("POST /api/typing", post(func(q struct {
		target
		On bool `json:"on"`
	},
	) (any, error) {
		return c.onChat(q.target, func(id uuid.UUID) error { return c.Typing(id, q.On) })
	}))
	mux.HandleFunc("POST /api/signal", post(c.apiSignal))
	mux.HandleFunc("POST /api/fault", post(c.apiFault))
	mux.HandleFunc("POST /api/faults/clear", post(func(struct{}) (any, error) {
		c.ClearFaults()
		return done, nil
	}))
	mux.HandleFunc("POST /api/drop", post(func(struct{}) (any, error) {
		return map[string]int{"dropped": c.Drop()}, nil
	}))
	mux.HandleFunc("POST /api/restart", post(func(q struct {
		KeepData bool `json:"keep_data"`
	},
	) (any, error) {
		return done, c.Restart(q.KeepData)
	}))
}

var done = map[string]bool{"ok": true}

// post reads a JSON object strictly and answers with JSON.
func post[T any](do func(T) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q T
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			reply(w, nil, &apiError{http.StatusUnsupportedMediaType, "Content-Type must be application/json"})
			return
		}
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		d.DisallowUnknownFields()
		if err := d.Decode(&q); err != nil {
			reply(w, nil, badRequest("the body is not the expected JSON object: "+err.Error()))
			return
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			reply(w, nil, badRequest("the body has more than one JSON object"))
			return
		}
		out, err := do(q)
		reply(w, out, err)
	}
}

// reply writes out, or err with the status it stands for.
func reply(w http.ResponseWriter, out any, err error) {
	status := http.StatusOK
	if err != nil {
		status = http.StatusInternalServerError
		var known *apiError
		switch {
		case errors.As(err, &known):
			status = known.status
		case errors.Is(err, ErrNoChat), errors.Is(err, ErrNoMessage), errors.Is(err, ErrNoGateway):
			status = http.StatusNotFound
		case errors.Is(err, ErrChatClosed):
			status = http.StatusConflict
		case errors.Is(err, ErrFault), errors.Is(err, ErrGateways):
			status = http.StatusBadRequest
		}
		out = map[string]string{"error": err.Error()}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out) // the caller is gone
}

// target names a chat: by its ID, or the newest of a conversation.
type target struct {
	Chat       uuid.UUID `json:"chat"`
	Peer       string    `json:"peer"` // empty = Options.Peer, or the only Peer seen
	Port       string    `json:"port"`
	TrackingID string    `json:"tracking_id"`
}

// find returns the ID of the chat meant.
func (c *Core) find(t target) (uuid.UUID, error) {
	if t.Chat != uuid.Nil {
		return t.Chat, nil
	}
	if t.TrackingID == "" {
		return uuid.Nil, badRequest("name a chat, or port and tracking_id")
	}
	state, err := c.Find(c.addressOf(t))
	return state.ID, err
}

func (c *Core) addressOf(t target) Address {
	a := Address{Peer: t.Peer, Port: t.Port, TrackingID: t.TrackingID}
	if a.Peer == "" {
		a.Peer = c.opts.Peer
	}
	if a.Peer == "" {
		for _, p := range c.allPorts() {
			if p.key.port == t.Port {
				a.Peer = p.key.peer
			}
		}
	}
	return a
}

func (c *Core) onChat(t target, do func(uuid.UUID) error) (any, error) {
	id, err := c.find(t)
	if err != nil {
		return nil, err
	}
	return done, do(id)
}

func (c *Core) apiChat(r *http.Request) (any, error) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return nil, badRequest("the chat's id is a GUID")
	}
	state, sentences, err := c.Chat(id)
	if err != nil {
		return nil, err
	}
	if text := r.URL.Query().Get("last"); text != "" {
		last, err := strconv.Atoi(text)
		if err != nil || last < 0 {
			return nil, badRequest("last is a number")
		}
		sentences = sentences[max(0, len(sentences)-last):]
	}
	return chatView{summary: c.summary(state), Manifest: state.Manifest, Sentences: sentenceViews(sentences)}, nil
}

func (c *Core) apiSay(q struct {
	target
	Text  string        `json:"text"`
	ID    string        `json:"id"`
	Model simprot.Model `json:"model"`
	Open  bool          `json:"open"` // open a chat when the conversation has none: the agent writes first
},
) (any, error) {
	id, err := c.find(q.target)
	if q.Open && q.Chat == uuid.Nil && q.TrackingID != "" {
		id, err = c.Begin(c.addressOf(q.target), "")
	}
	if err != nil {
		return nil, err
	}
	said, err := c.SayAs(id, Utterance{Text: q.Text, ID: q.ID, Model: q.Model})
	if err != nil {
		return nil, err
	}
	return map[string]string{"id": said, "chat": id.String()}, nil
}

func (c *Core) apiSignal(q struct {
	Port   string         `json:"port"` // empty = every Port
	Signal simprot.Signal `json:"signal"`
},
) (any, error) {
	switch q.Signal {
	case simprot.SignalFree, simprot.SignalBusy, simprot.SignalClosed, simprot.SignalHidden:
		c.SetSignal(q.Port, q.Signal)
		return c.signalView(), nil
	default:
		return nil, badRequest("signal is Free, Busy, Closed or Hidden")
	}
}

func (c *Core) apiFault(q faultView) (any, error) {
	f := q.Fault
	f.Delay = time.Duration(q.DelayMs) * time.Millisecond
	return done, c.AddFault(f)
}

func (c *Core) apiSentences(r *http.Request) (any, error) {
	chats, err := c.store.List("", "", true)
	if err != nil {
		return nil, err
	}
	port, all := r.URL.Query().Get("port"), !r.URL.Query().Has("port")
	out := []placedSentence{}
	for _, chat := range chats {
		if !all && chat.Port != port {
			continue
		}
		sentences, err := c.store.Sentences(chat.ID, 0)
		if err != nil {
			return nil, err
		}
		for _, s := range sentences {
			out = append(out, placedSentence{
				Chat: chat.ID, Port: chat.Port, TrackingID: chat.TrackingID, ID: s.ID, Counter: s.Counter,
				Outbound: s.IsOutbound, Confirmed: s.ConfirmedTime != nil, Model: s.Model,
			})
		}
	}
	return out, nil
}
