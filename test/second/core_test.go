//go:build second

package second

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"servicelink/test/ports"
)

const coreSecret = "secret of the example core's tests"

// exampleCore is simprot/examples/core as a process that can end and start
// again with its store, and whose agent types what the test wants.
type exampleCore struct {
	*program
	t              *testing.T
	address, store string
	arguments      []string
}

func startCore(t *testing.T, arguments ...string) *exampleCore {
	t.Helper()
	c := &exampleCore{t: t, address: ports.For(t), store: filepath.Join(t.TempDir(), "chats.jsonl"), arguments: arguments}
	c.start()
	return c
}

// start starts it and waits until it listens.
func (c *exampleCore) start() {
	c.t.Helper()
	args := append([]string{"-B", "../../simprot/examples/core/core.py", "--listen", c.address, "--store", c.store}, c.arguments...)
	c.program = startProgram(c.t, []string{"CORE_SECRET=" + coreSecret}, interpreter(c.t), args...)
	c.sees("listening on " + c.address)
}

// restart ends it with the signal and starts it again.
func (c *exampleCore) restart(signal syscall.Signal) {
	c.t.Helper()
	if signal == syscall.SIGKILL {
		c.kill()
	} else {
		c.stop(signal)
	}
	c.start()
}

// sentence is one in the core's store.
type sentence struct {
	Text       string
	IsOutbound bool
	Model      int
	confirmed  bool
}

// sentences reads the store: what every conversation's chats have, in order.
func (c *exampleCore) sentences() map[string][]*sentence {
	c.t.Helper()
	text, err := os.ReadFile(c.store)
	if err != nil {
		c.t.Fatal(err)
	}
	all := map[string][]*sentence{}
	chats := map[string][]*sentence{}
	names := map[string]string{}
	for line := range strings.SplitSeq(string(text), "\n") {
		var event struct {
			Chat      string
			Opened    []string
			Sentence  *sentence
			Confirmed int
		}
		if json.Unmarshal([]byte(line), &event) != nil {
			continue // the last one, half written
		}
		switch {
		case event.Opened != nil:
			names[event.Chat] = event.Opened[2]
		case event.Sentence != nil:
			chats[event.Chat] = append(chats[event.Chat], event.Sentence)
			all[names[event.Chat]] = append(all[names[event.Chat]], event.Sentence)
		case event.Confirmed > 0:
			chats[event.Chat][event.Confirmed-1].confirmed = true
		}
	}
	return all
}

// texts are what the customer of a conversation said.
func (c *exampleCore) texts(tracking string) []string {
	c.t.Helper()
	var texts []string
	for _, s := range c.sentences()[tracking] {
		if !s.IsOutbound {
			texts = append(texts, s.Text)
		}
	}
	return texts
}

// unconfirmed counts the agents' sentences that no customer is known to have.
func (c *exampleCore) unconfirmed() int {
	c.t.Helper()
	n := 0
	for _, all := range c.sentences() {
		for _, s := range all {
			if s.IsOutbound && !s.confirmed {
				n++
			}
		}
	}
	return n
}
