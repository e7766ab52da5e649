package control

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of a Recorder: the oldest requests are forgotten first.
const (
	maxRequests    = 10_000
	maxRecordBytes = 64 << 20
	// maxValue is how much of a value or file is kept, in bytes.
	maxValue = 64 << 10
)

// Request is one API request of a client.
type Request struct {
	Seq     int64             `json:"seq"` // from 1, per network
	At      time.Time         `json:"at"`
	Account string            `json:"account"`
	Method  string            `json:"method"`
	Header  http.Header       `json:"header"`
	Params  map[string]string `json:"params"` // a member that is no string: its JSON
	Files   []Upload          `json:"files,omitempty"`
	Body    string            `json:"body,omitempty"` // of a JSON request, as it came
	// Status is 0 while the request is being answered, and when no answer went out.
	Status int    `json:"status"`
	Answer string `json:"answer,omitempty"` // the body that was meant to go out
	Fault  Kind   `json:"fault,omitempty"`  // what was done to it
}

// Upload is a file that came with a Request.
type Upload struct {
	Field string `json:"field"`
	Name  string `json:"name"`
	Type  string `json:"type"`
	Size  int64  `json:"size"`
	Data  []byte `json:"base64,omitempty"` // its first 64 KiB
}

func (r *Request) weight() int {
	n := len(r.Body) + len(r.Answer) + 512
	for _, v := range r.Params {
		n += len(v)
	}
	for _, f := range r.Files {
		n += len(f.Data)
	}
	return n
}

// Filter selects requests; its zero value selects all.
type Filter struct {
	Account string
	Method  string // letters' case is ignored
	After   int64  // Seq greater than this
}

func (f Filter) selects(r *Request) bool {
	return r.Seq > f.After && fits(f.Account, r.Account) && fits(f.Method, r.Method)
}

// Recorder keeps the latest requests of a network. Its zero value is ready.
type Recorder struct {
	mu      sync.Mutex
	last    int64
	weight  int
	list    []*Request
	changed chan struct{} // closed at the next change; nil = nobody waits
}

// Begin records r as it arrives and returns its number.
func (rec *Recorder) Begin(r Request) int64 {
	for k, v := range r.Params {
		r.Params[k] = clip(v)
	}
	for i := range r.Files {
		r.Files[i].Data = r.Files[i].Data[:min(len(r.Files[i].Data), maxValue)]
	}
	r.Body = clip(r.Body)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.last++
	r.Seq, r.At = rec.last, time.Now()
	rec.list = append(rec.list, &r)
	rec.weight += r.weight()
	for len(rec.list) > maxRequests || rec.weight > maxRecordBytes && len(rec.list) > 1 {
		rec.weight -= rec.list[0].weight()
		rec.list[0] = nil
		rec.list = rec.list[1:]
	}
	rec.wake()
	return r.Seq
}

// End records how request seq was answered.
func (rec *Recorder) End(seq int64, status int, answer string, fault Kind) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	i, found := slices.BinarySearchFunc(rec.list, seq, func(r *Request, seq int64) int { return int(r.Seq - seq) })
	if !found {
		return
	}
	r := rec.list[i]
	rec.weight -= r.weight()
	r.Status, r.Answer, r.Fault = status, clip(answer), fault
	rec.weight += r.weight()
	rec.wake()
}

// Requests returns what f selects, oldest first.
func (rec *Recorder) Requests(f Filter) []Request {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	list := []Request{}
	for _, r := range rec.list {
		if f.selects(r) {
			list = append(list, *r)
		}
	}
	return list
}

// Await returns the first request that f selects, waiting for one if need be.
func (rec *Recorder) Await(ctx context.Context, f Filter) (Request, error) {
	for {
		rec.mu.Lock()
		for _, r := range rec.list {
			if f.selects(r) {
				found := *r
				rec.mu.Unlock()
				return found, nil
			}
		}
		if rec.changed == nil {
			rec.changed = make(chan struct{})
		}
		changed := rec.changed
		rec.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return Request{}, ctx.Err()
		}
	}
}

func (rec *Recorder) wake() {
	if rec.changed != nil {
		close(rec.changed)
		rec.changed = nil
	}
}

func clip(s string) string {
	if len(s) <= maxValue {
		return s
	}
	return strings.ToValidUTF8(s[:maxValue], "") + "..."
}
