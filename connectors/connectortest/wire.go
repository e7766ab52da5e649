package connectortest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// loss is what gets lost of a request between a connector and its network.
type loss uint8

const (
	lostNothing loss = iota
	lostRequest      // the network never sees it
	lostAnswer       // carried out, and nobody hears of it
	lostForNow       // carried out when the connector has long given it up
)

// underWay is how long the kit holds back a request that is lost for now, and no
// whole number of seconds, so that nothing else happens at that moment.
const underWay = 30*time.Second + 333*time.Millisecond

// wire is the way to the network, where one request can be lost, and its
// connection with it. So the kit needs no fault of the simulator to make the
// outcome of a send unknown, and knows what it is.
type wire struct {
	next http.Handler

	mu     sync.Mutex
	loses  loss
	marked string // in the body of the request
	late   []*time.Timer
}

// lose loses the next request that has marked in its body.
func (w *wire) lose(what loss, marked string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loses, w.marked = what, marked
}

// end gives up what is under way.
func (w *wire) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.late {
		t.Stop()
	}
}

// ServeHTTP implements http.Handler.
func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	what := w.takes(r)
	unheard := r.Clone(context.WithoutCancel(r.Context()))
	switch what {
	case lostNothing:
		w.next.ServeHTTP(rw, r)
		return
	case lostAnswer:
		w.next.ServeHTTP(httptest.NewRecorder(), unheard)
	case lostForNow:
		w.mu.Lock()
		w.late = append(w.late, time.AfterFunc(underWay, func() { w.next.ServeHTTP(httptest.NewRecorder(), unheard) }))
		w.mu.Unlock()
	}
	panic(http.ErrAbortHandler)
}

// takes tells what becomes of r, whose body it leaves to be read again.
func (w *wire) takes(r *http.Request) loss {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.loses == lostNothing {
		return lostNothing
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if !bytes.Contains(body, []byte(w.marked)) {
		return lostNothing
	}
	what := w.loses
	w.loses = lostNothing
	return what
}
