package connectortest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"servicelink/connectors"
)

// scenario is a file NAME.json in Simulation.Scenarios: what happens, in order.
// Beside it, NAME.golden.json holds what came of it.
type scenario []step

// step has one member.
type step struct {
	Act    json.RawMessage `json:"act"`    // the customer does something
	Inject json.RawMessage `json:"inject"` // an event in the network's own JSON
	Send   *sendStep       `json:"send"`   // the agent writes: a Part without what is usual
	Typing *bool           `json:"typing"` // the agent begins or ceases to write
}

// sendStep is a connectors.Part. Content is the file's, in case the network does
// not fetch its URL itself.
type sendStep struct {
	To      string
	ID      string
	Text    string
	ReplyTo string
	Buttons []connectors.Button
	File    *struct{ Type, Name, URL, Content string }
	// Template is sent instead of all others.
	Template *connectors.Template
}

// outcome is what came of a scenario.
type outcome struct {
	Events   []connectors.Event `json:"events"`
	Files    []string           `json:"files"`    // what Open gives for the events' files
	Sends    []string           `json:"sends"`    // one line each
	Requests []Request          `json:"requests"` // that the network saw
	Shown    []any              `json:"shown"`    // as the customer sees the conversation
}

// scenarioChecks are one for each scenario, as each needs a clock that begins
// anew, and one for what they leave out.
func scenarioChecks(h Harness) []check {
	var list []check
	for _, file := range scenarioFiles(h) {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		list = append(list, check{"scenarios/" + name, func(p *probe) {
			p.golden(goldenOf(file), p.play(file, readScenario(file)))
		}, inBubble})
	}
	return append(list, check{"scenarios", checkScenarios, onSockets})
}

func scenarioFiles(h Harness) []string {
	files, err := filepath.Glob(filepath.Join(h.Simulation.Scenarios, "*.json"))
	if err != nil {
		panic(err)
	}
	return slices.DeleteFunc(files, func(file string) bool { return strings.HasSuffix(file, ".golden.json") })
}

func goldenOf(file string) string { return strings.TrimSuffix(file, ".json") + ".golden.json" }

func readScenario(file string) (steps scenario) {
	raw, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&steps); err != nil {
		panic(fmt.Errorf("%s: %w", file, err))
	}
	return steps
}

// checkScenarios: the scenarios together have every content of the network, both
// ways.
func checkScenarios(p *probe) {
	caps := p.connector(nowhere).Capabilities()
	missing := map[string]bool{
		"sends a text": true, "sends buttons": caps.Buttons > 0, "sends a file": caps.Files,
		"sends a reply": caps.Replies, "shows typing": caps.Typing, "sends a template": caps.Templates,
	}
	for _, kind := range p.h.Simulation.Kinds {
		missing["brings an event of kind "+string(kind)] = true
	}
	for _, file := range scenarioFiles(p.h) {
		for _, st := range readScenario(file) {
			for _, what := range st.shows() {
				delete(missing, what)
			}
		}
		var golden struct{ Events []connectors.Event }
		if raw, err := os.ReadFile(goldenOf(file)); err == nil && json.Unmarshal(raw, &golden) == nil {
			for _, ev := range golden.Events {
				delete(missing, "brings an event of kind "+string(ev.Kind))
			}
		}
	}
	for what, is := range missing {
		if is {
			p.errorf("no scenario in %s %s", p.h.Simulation.Scenarios, what)
		}
	}
}

// shows lists what a step is an example of.
func (st step) shows() (list []string) {
	if st.Typing != nil {
		return []string{"shows typing"}
	}
	if st.Send == nil {
		return nil
	}
	for what, is := range map[string]bool{
		"sends a text": st.Send.Text != "", "sends a file": st.Send.File != nil,
		"sends buttons": len(st.Send.Buttons) > 0, "sends a reply": st.Send.ReplyTo != "",
		"sends a template": st.Send.Template != nil,
	} {
		if is {
			list = append(list, what)
		}
	}
	return list
}

func (p *probe) golden(file string, got outcome) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(bare(got)); err != nil {
		panic(err)
	}
	if p.h.Simulation.Update {
		if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
			panic(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		p.errorf("%v", err)
		return
	}
	if at := firstDifference(text.String(), string(want)); at != "" {
		p.errorf("%s: %s", file, at)
	}
}

// bare leaves out what says nothing, so that a golden file shows what does.
func bare(v any) any {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var plain any
	if err := dec.Decode(&plain); err != nil {
		panic(err)
	}
	return strip(plain)
}

func strip(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			switch member = strip(member); member {
			case nil, "", false, json.Number("0"), "0001-01-01T00:00:00Z":
				delete(v, name)
			}
		}
	case []any:
		for i := range v {
			v[i] = strip(v[i])
		}
	}
	return v
}

// firstDifference names the first line in which got is not want.
func firstDifference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return fmt.Sprintf("line %d is %q, want %q", i+1, at(a, i), at(b, i))
		}
	}
	return ""
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// play runs a scenario from the beginning.
func (p *probe) play(name string, steps scenario) outcome {
	s := p.stage()
	var out outcome
	for i, st := range steps {
		switch {
		case st.Act != nil:
			if _, err := s.sim.Act(st.Act); err != nil {
				panic(fmt.Errorf("%s: step %d: %w", name, i+1, err))
			}
			s.rest()
		case st.Inject != nil:
			if err := s.sim.Inject(st.Inject); err != nil {
				panic(fmt.Errorf("%s: step %d: %w", name, i+1, err))
			}
			s.rest()
		case st.Send != nil:
			out.Sends = append(out.Sends, s.speak(st.Send, i))
			if slices.Contains(p.h.Simulation.Kinds, connectors.KindNotice) {
				s.rest() // the network's word on it
			}
		case st.Typing != nil:
			typer, _ := s.c.(connectors.Typer)
			if se := p.judge(typer.Typing(context.Background(), p.part("", "").To, s.journal.latest(), *st.Typing)); se != nil {
				p.errorf("%s: Typing: %v", name, se)
			}
		}
	}
	out.Events = s.journal.taken()
	out.Requests = s.requests(0)
	out.Files = s.opened(out.Events)
	shown, err := s.sim.Shown(markChat)
	if err != nil {
		panic(err)
	}
	for _, msg := range shown {
		out.Shown = append(out.Shown, msg.Content)
	}
	s.leave()
	return out
}

// speak sends what the agent wrote and describes how it went.
func (s *stage) speak(st *sendStep, i int) string {
	part := s.p.part(fmt.Sprint("id-", i), st.Text)
	if st.ID != "" {
		part.ID = st.ID
	}
	if st.To != "" {
		part.To = connectors.Address{TrackingID: st.To, RemoteAddress: markChat}
	}
	part.ReplyTo, part.Buttons, part.Template = st.ReplyTo, st.Buttons, st.Template
	if f := st.File; f != nil {
		part.File = outFile(f.Name, f.Type, f.URL, f.Content)
	}
	receipt, se := s.send(s.c, part)
	if se != nil {
		return se.Error()
	}
	return "accepted " + receipt.NetworkID
}
