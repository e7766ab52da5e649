package connectortest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"servicelink/connectors"
)

// memoryAddress is where a simulator in memory seems to be.
const memoryAddress = "http://127.0.0.1:80"

// world is a simulator in memory and what is connected to it. It exists in a
// bubble of testing/synctest: waits cost nothing, and its clock begins anew.
type world struct {
	p     *probe
	sim   Simulator
	wire  *wire
	lives *lives
}

// world makes a fresh one.
func (p *probe) world() *world { return p.worldFor(nil) }

// worldFor is world with the way by which the network finds the connector's webhooks.
func (p *probe) worldFor(gateway *Gateway) *world {
	w := &world{p: p, sim: p.h.Simulation.Start(gateway)}
	w.wire = &wire{next: w.sim}
	w.lives = &lives{next: w.wire}
	network := newMemory(w.lives)
	p.dial = network.dial
	p.undo = append(p.undo, func() {
		p.dial = nil
		network.end()
		w.wire.end()
		w.sim.Close()
	})
	return w
}

// customer is who writes in the conversation of the kit's own checks.
var customer = map[string]any{"id": markChat, "first_name": "Ann", "username": "ann_of_the_kit", "language_code": "en"}

// act has the customer do something; extra are further members of the action.
func (w *world) act(do string, extra map[string]any) string {
	action := map[string]any{"do": do, "user": customer}
	maps.Copy(action, extra)
	raw, err := json.Marshal(action)
	if err != nil {
		panic(err)
	}
	id, err := w.sim.Act(raw)
	if err != nil {
		panic(fmt.Errorf("the simulator refuses %s: %w", do, err))
	}
	return id
}

func (w *world) say(texts ...string) {
	for _, text := range texts {
		w.act("text", map[string]any{"text": text})
	}
}

// fault makes the network fail in one more way.
func (w *world) fault(f Fault) {
	if err := w.sim.Fault(f); err != nil {
		panic(fmt.Errorf("the simulator refuses the fault %s: %w", f.Kind, err))
	}
}

// known begins the conversation: many networks let nobody write to a customer
// who has not written.
func (w *world) known() *world {
	w.say("hello")
	return w
}

// requests lists what was asked since the first skip requests, without polls.
func (w *world) requests(skip int) []Request {
	var list []Request
	for _, r := range w.sim.Requests() {
		if !slices.Contains(w.p.h.Simulation.Background, r.Method) {
			list = append(list, r)
		}
	}
	return list[min(skip, len(list)):]
}

// send makes one attempt with the patience of the engine, which has none beyond
// a few minutes.
func (w *world) send(c connectors.Connector, part connectors.Part) (connectors.Receipt, *connectors.SendError) {
	ctx, cancel := context.WithTimeout(context.Background(), sendPatience)
	defer cancel()
	began := time.Now()
	receipt, err := c.Send(ctx, part)
	if time.Since(began) >= sendPatience {
		w.p.errorf("Send took %v and more: it has no time limit of its own", sendPatience)
	}
	return receipt, w.p.judge(err)
}

// sendPatience is the longest a Send may take when the network is silent.
const sendPatience = 5 * time.Minute

// shown is the agent's side of the conversation.
func (w *world) shown() []Shown {
	all, err := w.sim.Shown(markChat)
	if err != nil {
		panic(err)
	}
	return slices.DeleteFunc(all, func(m Shown) bool { return !m.Agent })
}
