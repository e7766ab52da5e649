//go:build second

package second

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"servicelink/test/proc"
)

// TestTerminalWithExampleCore has a conversation between the two examples, with
// a core that ends in order, one that is killed, and a wire that is cut.
func TestTerminalWithExampleCore(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	if err := proc.Build(t.Context(), bin, "servicelink/simprot/examples/terminal"); err != nil {
		t.Fatal(err)
	}
	core := startCore(t)
	wire := newRelay(t, core.address)
	customer := startProgram(t, []string{"CORE_SECRET=" + coreSecret}, filepath.Join(bin, "terminal"),
		"-core", wire.address, "-name", "Jana Nováková", "-id", "jana")
	const tracking = "terminal:jana"

	var typed, said []string
	talk := func(what string) {
		t.Helper()
		for i := range 3 {
			text := fmt.Sprintf("%s: question %d", what, i)
			typed = append(typed, text)
			customer.types(text)
		}
		core.sees(tracking + " Jana Nováková : " + typed[len(typed)-1])
		for i := range 3 {
			text := fmt.Sprintf("%s: answer %d 😀", what, i)
			said = append(said, text)
			core.types(tracking + " " + text)
		}
		customer.sees("Agent: " + said[len(said)-1])
	}
	talk("at first")
	core.restart(syscall.SIGTERM)
	talk("after an orderly restart")
	core.restart(syscall.SIGKILL)
	talk("after a kill")
	if wire.cut() == 0 {
		t.Error("there was nothing to cut")
	}
	talk("after a cut")
	core.types(tracking + " /close")
	customer.sees("-- the chat has ended")
	talk("in the next chat")
	core.types(tracking + " /typing")
	customer.sees("-- the agent is writing")

	until(t, "all is confirmed", func() bool { return core.unconfirmed() == 0 }, func() any { return core.unconfirmed() })
	customer.types("/bye")
	customer.stop(0)
	core.stop(syscall.SIGTERM)
	if got := core.texts(tracking); !slices.Equal(got, typed) {
		t.Errorf("the core has %q", got)
	}
	var shown []string
	for _, line := range customer.shows() {
		if text, ok := strings.CutPrefix(line, "Agent: "); ok {
			shown = append(shown, text)
		}
	}
	if !slices.Equal(shown, said) {
		t.Errorf("the customer was shown %q", shown)
	}
}
