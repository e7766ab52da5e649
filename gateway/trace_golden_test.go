package gateway

import (
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// bubbleStart is when a synctest bubble begins.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

var updateTimelines = flag.Bool("update", false, "write testdata/timeline from what the trace says")

// timelines is what a test's traces said, with the times since the start.
type timelines struct {
	*house
	text strings.Builder
	// timeless leaves times out: the core's return is not to the second.
	timeless bool
}

// trace adds the only message of that name: where it is now, and what happened.
func (l *timelines) trace(title, id string) {
	l.Helper()
	var answer Trace
	l.asks(http.MethodGet, "/api/v1/trace?"+url.Values{"q": {id}, "by": {byID}}.Encode(), http.StatusOK, &answer)
	if len(answer.Messages) != 1 {
		l.Fatalf("%s names %d messages", id, len(answer.Messages))
	}
	m := answer.Messages[0]
	fmt.Fprintf(&l.text, "# %s: %s\n", title, m.State)
	for _, c := range answer.Conversations {
		if w := c.Window; w != nil {
			fmt.Fprintf(&l.text, "  WINDOW [%s] open: %t, end %s (%s)\n", w.By, w.Open, l.at(w.End), w.What)
			if !w.LateEnd.IsZero() {
				fmt.Fprintf(&l.text, "  late answers until %s\n", l.at(w.LateEnd))
			}
		}
	}
	if n := m.Now; n != nil {
		fmt.Fprintf(&l.text, "  NOW [%s] %s; since %s", n.Kind, n.Waits, l.at(n.Since))
		if want := time.Since(n.Since).Seconds(); n.Seconds != want {
			l.Errorf("it waits for %g s, want %g", n.Seconds, want)
		}
		if !n.Until.IsZero() {
			fmt.Fprintf(&l.text, ", until %s", l.at(n.Until))
		}
		fmt.Fprintf(&l.text, "; hint: %s\n", n.Hint)
	}
	for _, s := range m.Steps {
		fmt.Fprintf(&l.text, "  %s [%s] %s", l.at(s.At), s.Kind, s.What)
		if !s.Until.IsZero() {
			fmt.Fprintf(&l.text, ", until %s", l.at(s.Until))
		}
		l.text.WriteByte('\n')
	}
	l.text.WriteByte('\n')
}

func (l *timelines) at(t time.Time) string {
	if t.IsZero() || l.timeless {
		return "-"
	}
	return fmt.Sprintf("%.1f", t.Sub(bubbleStart).Seconds())
}

// golden runs a test in a house and compares what its traces said.
func golden(t *testing.T, name string, test func(*timelines), options ...houseOption) {
	t.Helper()
	var got string
	inHouse(t, func(h *house) {
		l := &timelines{house: h}
		test(l)
		got = l.text.String()
	}, options...)
	file := filepath.Join("testdata", "timeline", name+".txt")
	if *updateTimelines {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the timelines are not those of %s (-want +got):\n%s", file, diff)
	}
}

// firstOfAnn is her first message.
const firstOfAnn = "in-ann-0001"

// TestTimelineIn: an event's way to the core, step by step.
func TestTimelineIn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(h *timelines){
		"shown": func(h *timelines) {
			h.waits(5 * time.Second)
			h.writes("ann", 1)
			h.waits(3 * time.Second)
			h.writes("ann", 1)
			h.waits(time.Second)
			h.trace("received twice", firstOfAnn)
		},
		"core-away": func(h *timelines) {
			h.door.away.Store(true)
			h.door.breakAll()
			h.waits(10 * time.Second)
			h.writes("ann", 1)
			h.waits(10 * time.Second)
			h.trace("while the core is away", firstOfAnn)
			h.door.away.Store(false)
			h.waits(time.Minute)
			h.timeless = true
			h.trace("when it is back", firstOfAnn)
		},
		"core-closed": func(h *timelines) {
			h.waits(5 * time.Second)
			h.core.SetSignal("", simprot.SignalClosed)
			h.writes("ann", 1)
			h.waits(5 * time.Second)
			h.writes("ann", 2)
			h.waits(5 * time.Minute)
			h.trace("the first, while it is closed", firstOfAnn)
			h.trace("the second, while it is closed", "in-ann-0002")
			h.core.SetSignal("", simprot.SignalFree)
			h.waits(time.Minute)
			h.trace("the first, when it opened", firstOfAnn)
			h.trace("the second, when it opened", "in-ann-0002")
		},
		"many": func(h *timelines) {
			h.waits(5 * time.Second)
			h.core.SetSignal("", simprot.SignalClosed)
			for n := range 2 * inLaneLimit {
				h.writes("ann", n+1)
			}
			h.waits(time.Second)
			h.trace("more than a lane holds", "in-ann-0032")
			h.core.SetSignal("", simprot.SignalFree)
			h.waits(time.Minute)
			h.trace("later", "in-ann-0032")
		},
		"chat-closed": func(h *timelines) {
			h.waits(5 * time.Second)
			h.writes("ann", 1)
			h.waits(5 * time.Second)
			h.closes("ann")
			h.waits(5 * time.Second)
			h.writes("ann", 2)
			h.waits(5 * time.Second)
			h.trace("in another chat", "in-ann-0002")
		},
		"no-echo": func(h *timelines) {
			h.waits(5 * time.Second)
			h.fault(refcore.FaultNever, simprot.CodeChatSentenceIn, 1)
			h.writes("ann", 1)
			h.waits(10 * time.Second)
			h.trace("while the echo is awaited", firstOfAnn)
			h.waits(time.Minute)
			h.trace("later", firstOfAnn)
		},
		"no-answer": func(h *timelines) {
			h.waits(5 * time.Second)
			h.fault(refcore.FaultLose, simprot.CodeChatStart, -1)
			h.writes("ann", 1)
			h.waits(15 * time.Second)
			h.trace("while START is not answered", firstOfAnn)
			h.waits(40 * time.Second)
			h.trace("when it was not answered twice", firstOfAnn)
		},
		"no-resync": func(h *timelines) {
			h.waits(5 * time.Second)
			h.fault(refcore.FaultLose, simprot.CodeChatResync, -1)
			h.door.breakAll()
			h.waits(5 * time.Second)
			h.writes("ann", 1)
			h.waits(5 * time.Second)
			h.trace("while RESYNC is not answered", firstOfAnn)
			h.waits(time.Minute)
			h.trace("when it was given up", firstOfAnn)
		},
		"window": func(h *timelines) {
			h.waits(5 * time.Second)
			h.writes("bob", 1)
			h.waits(5 * time.Second)
			h.fault(refcore.FaultLose, simprot.CodeChatSentenceIn, 1)
			h.writes("bob", 2)
			h.waits(time.Second)
			h.writes("ann", 1)
			h.waits(time.Second)
			h.trace("while another holds the only place", firstOfAnn)
			h.waits(time.Minute)
			h.trace("later", firstOfAnn)
		},
		"another-alone": func(h *timelines) {
			h.waits(5 * time.Second)
			w := h.gw.window
			if err := w.fly(h.Context(), h.gw.link.Session(), true); err != nil {
				h.Fatal(err)
			}
			h.writes("ann", 1)
			h.waits(time.Second)
			h.trace("while another is sent alone", firstOfAnn)
			w.land(true)
			h.waits(time.Second)
			h.trace("later", firstOfAnn)
		},
		"suspect": func(h *timelines) {
			h.waits(5 * time.Second)
			poisoned(h.house, 0)
			h.waits(10 * time.Second)
			h.timeless = true
			h.trace("it breaks each connection", "in-anna-0002")
			h.trace("behind it", "in-anna-0003")
		},
		"journal-away": func(h *timelines) {
			h.waits(5 * time.Second)
			h.door.away.Store(true)
			h.door.breakAll()
			h.waits(time.Second)
			h.writes("ann", 1)
			h.waits(time.Second)
			h.cut.sick.Store(&journal.ErrAway)
			h.trace("nothing can be written", firstOfAnn)
			h.cut.sick.Store(nil)
		},
		"started-again": func(h *timelines) {
			h.door.away.Store(true)
			h.door.breakAll()
			h.waits(time.Second)
			h.writes("ann", 1)
			h.waits(10 * time.Second)
			h.stop()
			h.start()
			h.waits(10 * time.Second)
			h.trace("in the next process", firstOfAnn)
			h.door.away.Store(false)
			h.waits(time.Minute)
			h.timeless = true
			h.trace("later", firstOfAnn)
		},
		"switched-off": func(h *timelines) {
			h.waits(5 * time.Second)
			h.core.SetSignal("", simprot.SignalClosed)
			h.writes("ann", 1)
			h.waits(10 * time.Second)
			h.reload(func(c *config.Config) { c.Channels[0].Enabled = false })
			h.waits(10 * time.Second)
			h.trace("its channel is switched off", firstOfAnn)
			h.reload(func(c *config.Config) { c.Channels = nil })
			h.waits(10 * time.Second)
			h.trace("its channel is gone", firstOfAnn)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, "in-"+name, test, narrow)
		})
	}
}

// slowNetwork takes a message every ten seconds.
type slowNetwork struct{ *fakeNetwork }

func (n slowNetwork) Capabilities() connectors.Capabilities {
	caps := n.fakeNetwork.Capabilities()
	caps.AccountRate = connectors.Rate{PerSecond: 0.1, Burst: 1}
	return caps
}

// TestTimelineOut: a sentence's way to the customer, step by step.
func TestTimelineOut(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(h *timelines){
		"two-parts": func(h *timelines) {
			id := h.says("anna", strings.Repeat("long ", 30))
			h.waits(time.Second)
			h.trace("confirmed", id)
			h.trace("by the second part", "net-2")
		},
		"429": func(h *timelines) {
			h.net.fail = failing(&connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonRate, RetryAfter: 30 * time.Second, Code: "429"})
			one := h.says("anna", "hello")
			h.waits(10 * time.Second)
			other := h.says("anna", "more")
			h.waits(10 * time.Second)
			h.trace("the first, that the network refused", one)
			h.trace("the second, behind it", other)
			h.waits(time.Minute)
			h.trace("the first, a minute later", one)
			h.trace("the second, a minute later", other)
		},
		"unknown": func(h *timelines) {
			h.net.fail = failing(sendErr(connectors.Unknown, connectors.ReasonTimeout))
			id := h.says("anna", "hello")
			h.waits(time.Minute)
			h.trace("reported", id)
		},
		"paused": func(h *timelines) {
			h.asks(http.MethodPost, pauseShop, http.StatusOK, nil)
			h.waits(time.Minute)
			id := h.says("anna", "hello")
			h.waits(time.Minute)
			h.trace("while the channel is paused", id)
			h.asks(http.MethodPost, resumeShop, http.StatusOK, nil)
			h.waits(time.Second)
			h.trace("when it goes on", id)
		},
		"refused": func(h *timelines) {
			refused := &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonAuth, RetryAfter: 20 * time.Minute, Code: "401", Hint: "get a new token"}
			h.net.fail = failing(refused, refused, refused)
			id := h.says("anna", "hello")
			h.waits(41 * time.Minute)
			h.trace("after three refusals", id)
		},
		"no-status": func(h *timelines) {
			h.fault(refcore.FaultLose, simprot.CodeChatStatusAsk, -1)
			h.door.breakAll()
			h.waits(10 * time.Second)
			id := h.says("anna", "hello")
			h.waits(time.Second)
			h.trace("STATUS is not answered on the new connection", id)
		},
		"rate": func(h *timelines) {
			h.stop()
			h.build = func(config.Channel) (connectors.Connector, error) { return slowNetwork{h.net}, nil }
			h.start()
			h.waits(15 * time.Second)
			h.says("anna", "one")
			h.waits(time.Second)
			id := h.says("anna", "two")
			h.waits(4 * time.Second)
			h.trace("while others use up the rate", id)
			h.waits(time.Minute)
		},
		"with-the-network": func(h *timelines) {
			h.net.block = make(chan struct{})
			id := h.says("anna", "hello")
			h.waits(10 * time.Second)
			h.trace("while the network thinks", id)
			close(h.net.block)
		},
		"closed-chat": func(h *timelines) {
			h.asks(http.MethodPost, pauseShop, http.StatusOK, nil)
			id := h.says("anna", "good bye")
			h.waits(time.Second)
			h.closes("anna")
			h.waits(time.Second)
			h.asks(http.MethodPost, resumeShop, http.StatusOK, nil)
			h.waits(time.Second)
			h.trace("sent when its chat was over", id)
		},
		"core-away": func(h *timelines) {
			h.net.block = make(chan struct{})
			id := h.says("anna", "hello")
			h.waits(time.Second)
			h.door.away.Store(true)
			h.door.breakAll()
			h.waits(time.Second)
			close(h.net.block)
			h.waits(time.Second)
			h.trace("sent while the core is away", id)
			h.door.away.Store(false)
			h.waits(time.Minute)
			h.timeless = true
			h.trace("confirmed when it is back", id)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, "out-"+name, func(h *timelines) {
				h.opened()
				test(h)
			}, reportUnknown)
		})
	}
}
