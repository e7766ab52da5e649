package connectortest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// fakeNet is a network to poll, with every fault. It has small limits.
type fakeNet struct {
	mu      sync.Mutex
	updates []fakeUpdate // not confirmed yet
	last    int
	changed chan struct{}
	chat    []fakeShown
	seen    []Request
	faults  []Fault
	files   map[string]string
	closed  chan struct{}
	free    bool   // it has no limits
	hook    string // where it calls, if it was told
}

const (
	fakeText, fakeCaption, fakeButtons, fakeTitle, fakePayload = 50, 20, 3, 10, 64
)

// fakeUpdate is what a poll brings.
type fakeUpdate struct {
	ID               int
	Chat, Kind, Text string
	File             string `json:",omitempty"`
	// Mark is the sender's own word for the message Of, in an echo.
	Mark string `json:",omitempty"`
	Of   int    `json:",omitempty"`
}

// fakeID is how the network names its nth message: as long as ids get, and with
// letters that an event's ID cannot have.
func fakeID(n int) string { return strings.Repeat("W", 196) + fmt.Sprintf("%04d", n) }

// fakeCall is what the connector posts.
type fakeCall struct {
	Offset  int          `json:",omitempty"`
	Chat    string       `json:",omitempty"`
	Text    string       `json:",omitempty"`
	Reply   string       `json:",omitempty"`
	Mark    string       `json:",omitempty"` // comes back in the echo
	File    string       `json:",omitempty"`
	Buttons []fakeButton `json:",omitempty"`
}

type fakeButton struct{ Text, Data string }

type fakeShown struct {
	ID    int
	Agent bool
	fakeCall
	in string // the conversation
	at time.Time
}

// name is the message's id: of the agent's own it is their number.
func (m fakeShown) name() string {
	if m.Agent {
		return strconv.Itoa(m.ID)
	}
	return fakeID(m.ID)
}

// fakeListed is a message in the network's own list of messages, which has no
// place for anybody else's id.
type fakeListed struct {
	ID         int
	Chat, Text string
	Agent      bool
	At         time.Time
}

// fakeListing is how long a message takes to get into the list.
const fakeListing = 2 * time.Second

type fakeAnswer struct {
	OK      bool
	Code    int          `json:",omitempty"`
	Wait    int          `json:",omitempty"`
	ID      int          `json:",omitempty"`
	Updates []fakeUpdate `json:",omitempty"`
	List    []fakeListed `json:",omitempty"`
}

func newFakeNet(*Gateway) Simulator {
	return &fakeNet{changed: make(chan struct{}), closed: make(chan struct{}), files: map[string]string{}}
}

func (n *fakeNet) Close() { close(n.closed) }

func (n *fakeNet) wake() {
	close(n.changed)
	n.changed = make(chan struct{})
}

func (n *fakeNet) Act(action json.RawMessage) (string, error) {
	var a struct {
		Do, Text, Message string
		User              struct{ ID string }
		File              struct{ Base64 []byte }
	}
	if err := json.Unmarshal(action, &a); err != nil {
		return "", err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last++
	u := fakeUpdate{ID: n.last, Chat: a.User.ID, Kind: a.Do, Text: a.Text}
	if a.Do == "document" {
		u.File = "f" + strconv.Itoa(n.last)
		n.files["file/"+u.File] = string(a.File.Base64)
	}
	n.updates = append(n.updates, u)
	n.chat = append(n.chat, fakeShown{ID: n.last, fakeCall: fakeCall{Text: a.Text}, in: a.User.ID, at: time.Now()})
	n.wake()
	return fakeID(n.last), nil
}

func (n *fakeNet) Inject(event json.RawMessage) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	u := fakeUpdate{}
	if err := json.Unmarshal(event, &u); err != nil {
		return err
	}
	n.last++
	u.ID = n.last
	n.updates = append(n.updates, u)
	n.wake()
	return nil
}

func (n *fakeNet) Fault(f Fault) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = append(n.faults, f)
	return nil
}

func (n *fakeNet) Clear() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = nil
}

func (n *fakeNet) Requests() []Request {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.seen)
}

func (n *fakeNet) Shown(chat string) ([]Shown, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []Shown
	for _, m := range n.chat {
		if m.in != chat && !n.free {
			continue
		}
		s := Shown{ID: m.name(), Agent: m.Agent, Text: m.Text, ReplyTo: m.Reply, Content: m}
		for _, b := range m.Buttons {
			s.Buttons = append(s.Buttons, b.Data)
		}
		list = append(list, s)
	}
	return list, nil
}

func (n *fakeNet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var call fakeCall
	if r.Method == http.MethodPost && json.NewDecoder(r.Body).Decode(&call) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	method := strings.TrimPrefix(r.URL.Path, "/")
	n.mu.Lock()
	n.seen = append(n.seen, Request{Method: method, Content: call})
	fault := Fault{}
	if len(n.faults) > 0 {
		fault = n.faults[0]
	}
	n.mu.Unlock()
	if n.refuse(w, fault) {
		return
	}
	if strings.HasPrefix(method, "file/") {
		n.mu.Lock()
		content, ok := n.files[method]
		n.mu.Unlock()
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if fault.Kind == "" {
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
			return
		}
		n.answer(w, r, fault, []byte(content))
		return
	}
	body, err := json.Marshal(n.do(r.Context(), method, call, fault))
	if err != nil {
		panic(err)
	}
	n.answer(w, r, fault, body)
}

// refuse answers for the faults that stand before the work.
func (n *fakeNet) refuse(w http.ResponseWriter, f Fault) bool {
	say := func(status int, a fakeAnswer) bool {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(a)
		return true
	}
	switch f.Kind {
	case FaultRate:
		retryAfter(w, f.RetryAfter)
		return say(429, fakeAnswer{Code: 429, Wait: cmp.Or(f.RetryAfter, 1)})
	case FaultServer:
		return say(500, fakeAnswer{Code: 500})
	case FaultUnauthorized:
		return say(401, fakeAnswer{Code: 401})
	case FaultConflict:
		return say(409, fakeAnswer{Code: 409})
	case FaultBlocked:
		return say(400, fakeAnswer{Code: 403})
	case FaultHTML:
		htmlPage(502)(w, nil)
		return true
	case FaultOutage:
		panic(http.ErrAbortHandler)
	}
	return false
}

// answer spoils the answer of what was done.
func (n *fakeNet) answer(w http.ResponseWriter, r *http.Request, f Fault, body []byte) {
	seconds := time.Duration(f.Seconds) * time.Second
	switch f.Kind {
	case FaultTruncated:
		body = body[:len(body)/2]
		if strings.HasPrefix(r.URL.Path, "/file/") {
			panic(http.ErrAbortHandler)
		}
	case FaultCut:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:1])
		panic(http.ErrAbortHandler)
	case FaultSwallow, FaultSlow:
		if f.Kind == FaultSlow {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			_, _ = w.Write(body[:1])
			_ = http.NewResponseController(w).Flush()
			body = body[1:]
		}
		select {
		case <-time.After(seconds):
		case <-r.Context().Done():
		case <-n.closed:
		}
		if f.Kind == FaultSwallow {
			panic(http.ErrAbortHandler)
		}
	}
	_, _ = w.Write(body)
}

func (n *fakeNet) do(ctx context.Context, method string, call fakeCall, f Fault) fakeAnswer {
	switch method {
	case "poll":
		return n.poll(ctx, call.Offset, f.Kind)
	case "send":
		return n.send(call)
	case "read":
		n.mu.Lock()
		defer n.mu.Unlock()
		if !n.knows(call.Reply) {
			return fakeAnswer{Code: 404}
		}
	case "list":
		return n.list(call.Chat)
	case "hook":
		n.mu.Lock()
		defer n.mu.Unlock()
		n.hook = call.Text
	}
	return fakeAnswer{OK: true}
}

func (n *fakeNet) poll(ctx context.Context, offset int, fault string) fakeAnswer {
	timer := time.NewTimer(30 * time.Second)
	defer timer.Stop()
	for {
		n.mu.Lock()
		if fault != FaultDuplicate {
			n.updates = slices.DeleteFunc(n.updates, func(u fakeUpdate) bool { return u.ID < offset })
		}
		found, changed := slices.Clone(n.updates), n.changed
		n.mu.Unlock()
		if fault == FaultReorder {
			slices.Reverse(found)
		}
		if fault == FaultDuplicate { // all of them again, for a while
			select {
			case <-time.After(10 * time.Second):
			case <-ctx.Done():
			}
		}
		if len(found) > 0 {
			return fakeAnswer{OK: true, Updates: found}
		}
		select {
		case <-changed:
		case <-timer.C:
			return fakeAnswer{OK: true}
		case <-ctx.Done():
			return fakeAnswer{OK: true}
		case <-n.closed:
			return fakeAnswer{OK: true}
		}
	}
}

func (n *fakeNet) send(call fakeCall) fakeAnswer {
	limit := fakeText
	if call.File != "" {
		limit = fakeCaption
	}
	if !n.free && (len([]rune(call.Text)) > limit || len(call.Buttons) > fakeButtons) {
		return fakeAnswer{Code: 400}
	}
	for _, b := range call.Buttons {
		if len([]rune(b.Text)) > fakeTitle || len(b.Data) > fakePayload {
			return fakeAnswer{Code: 400}
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if call.Reply != "" && !n.knows(call.Reply) {
		return fakeAnswer{Code: 404}
	}
	n.last++
	n.chat = append(n.chat, fakeShown{ID: n.last, Agent: true, fakeCall: call, in: call.Chat, at: time.Now()})
	sent := n.last
	if call.Mark != "" {
		n.last++
		n.updates = append(n.updates, fakeUpdate{ID: n.last, Chat: call.Chat, Kind: "echo", Text: call.Text, Mark: call.Mark, Of: sent})
		n.wake()
	}
	return fakeAnswer{OK: true, ID: sent}
}

// knows tells whether there is such a message. mu is held.
func (n *fakeNet) knows(id string) bool {
	return slices.ContainsFunc(n.chat, func(m fakeShown) bool { return m.name() == id })
}

// list gives the messages of a conversation, or of all.
func (n *fakeNet) list(chat string) fakeAnswer {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := []fakeListed{}
	for _, m := range n.chat {
		if (m.in == chat || chat == "") && time.Since(m.at) >= fakeListing {
			list = append(list, fakeListed{m.ID, m.in, m.Text, m.Agent, m.at})
		}
	}
	return fakeAnswer{OK: true, List: list}
}

var errFake = errors.New("answer makes no sense")
