package connectortest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"servicelink/connectors"
)

// fakePusher is fakeNet as a network that calls webhooks: one after the other,
// each until it is taken. It takes whatever is sent.
type fakePusher struct {
	*fakeNet
	gateway *Gateway
	work    sync.WaitGroup
	queue   chan fakeMessage
}

func newFakePusher(gateway *Gateway) Simulator {
	n := &fakePusher{fakeNet: newFakeNet(nil).(*fakeNet), gateway: gateway, queue: make(chan fakeMessage, 100)}
	n.free = true
	if gateway != nil {
		n.work.Go(n.push)
	}
	return n
}

func (n *fakePusher) Close() {
	n.fakeNet.Close()
	n.work.Wait()
}

func (n *fakePusher) Act(action json.RawMessage) (string, error) {
	id, err := n.fakeNet.Act(action)
	if err != nil {
		return "", err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	u := n.updates[len(n.updates)-1]
	n.queue <- fakeMessage{u.Chat, id, u.Kind, u.Text}
	return id, nil
}

// push calls the webhook until the network is closed.
func (n *fakePusher) push() {
	for {
		select {
		case m := <-n.queue:
			if n.has(FaultReorder) {
				select {
				case next := <-n.queue:
					n.post(next)
				case <-n.closed:
					return
				}
				n.Clear()
			}
			if n.has(FaultLose) {
				continue
			}
			n.post(m)
			if n.has(FaultDuplicate) {
				n.post(m)
			}
		case <-n.closed:
			return
		}
	}
}

func (n *fakePusher) has(kind string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.faults) > 0 && n.faults[0].Kind == kind
}

// post repeats a call until it is answered 200.
func (n *fakePusher) post(m fakeMessage) {
	body, err := json.Marshal([]fakeMessage{m})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: n.gateway.Transport}
	n.mu.Lock()
	hook := cmp.Or(n.hook, n.gateway.URL+"/fake/"+fakeToken)
	n.mu.Unlock()
	for range 100 {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, hook, bytes.NewReader(body))
		if err != nil {
			panic(err)
		}
		answer, err := client.Do(r)
		if err != nil {
			return // the gateway is gone
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return
		}
		select {
		case <-time.After(time.Millisecond):
		case <-n.closed:
			return
		}
	}
}

// pushSimulation is the simulator of the fake with webhooks.
func pushSimulation() *Simulation {
	return &Simulation{
		Start: newFakePusher, Scenarios: "testdata/push", Bare: true,
		Kinds:   []connectors.Kind{connectors.KindText, connectors.KindUnsupported},
		Without: []string{FaultConflict, FaultBlocked},
		Rows: []Row{{
			Name: "teapot", Status: http.StatusTeapot,
			Want: connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonContent},
		}},
	}
}

// retryAfter is HTTP's way to ask for a wait.
func retryAfter(w http.ResponseWriter, seconds int) {
	if seconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
	}
}
