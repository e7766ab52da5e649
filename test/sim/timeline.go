package sim

import (
	"fmt"
	"io"
	"strings"
	"time"

	"servicelink/simprot"
)

// timeline keeps what happened, formatted only when somebody asks.
type timeline struct {
	began time.Time
	lines []lineEntry
}

type lineEntry struct {
	at     time.Time
	way    string // of a packet
	wire   uint64
	packet simprot.Packet
	format string
	args   []any
}

func (w *world) log(way string, wire uint64, p simprot.Packet) {
	w.line.lines = append(w.line.lines, lineEntry{at: time.Now(), way: way, wire: wire, packet: p})
}

func (w *world) note(format string, args ...any) {
	w.line.lines = append(w.line.lines, lineEntry{at: time.Now(), format: format, args: args})
}

// print writes a run: its settings, what happened, and what is wrong with it.
func (r *result) print(out io.Writer, p *plan) {
	r.Line.print(out)
	fmt.Fprintf(out, "seed %d: %+v\n", p.Seed, p.Settings)
	for _, v := range r.Verdicts {
		fmt.Fprintln(out, "VIOLATION", v)
	}
}

// print writes the timeline; pings and what the core is yet to read are left
// out.
func (t *timeline) print(out io.Writer) {
	for _, l := range t.lines {
		at := l.at.Sub(t.began).Truncate(time.Millisecond)
		if l.format != "" {
			fmt.Fprintf(out, "%12v  %s\n", at, fmt.Sprintf(l.format, l.args...))
			continue
		}
		if l.packet.Code == simprot.CodePing || l.packet.Code == simprot.CodePong {
			continue
		}
		fmt.Fprintf(out, "%12v  %-2s #%d %s\n", at, l.way, l.wire, describe(l.packet))
	}
}

func describe(p simprot.Packet) string {
	s := string(p.Code)
	switch v := p.Payload.(type) {
	case *simprot.ChatSentenceInfo:
		s += " " + sentenceText(v) + " of " + v.Port + "/" + v.TrackingId
	case *simprot.ChatStatusInfo:
		s += fmt.Sprintf(" %s/%s %s", v.Port, v.TrackingId, v.Status)
		if v.ChatId != [16]byte{} {
			s += fmt.Sprintf(" chat %x", v.ChatId[14:])
		}
		if v.Sentences != nil {
			var shown []string
			for _, sn := range v.Sentences {
				shown = append(shown, sentenceText(sn))
			}
			s += " [" + strings.Join(shown, " ") + "]"
		}
	case simprot.ChatStatusList:
		items := make([]string, len(v))
		for i, it := range v {
			items[i] = fmt.Sprintf("%s:%s:%d", it.TrackingId, it.Status, it.Counter)
		}
		s += " [" + strings.Join(items, " ") + "]"
	case *simprot.ChatServiceInfo:
		s += fmt.Sprintf(" %s/%s %s", v.Port, v.TrackingId, v.Signal)
	case *simprot.ChatCommandInfo:
		s += fmt.Sprintf(" %s/%s %s", v.Port, v.TrackingId, v.ID)
	case *simprot.MessageContentInfo:
		s += fmt.Sprintf(" %s %q", v.DeliverySystemId, v.BodyText)
	case *simprot.CommandInfo:
		s += fmt.Sprintf(" %s %q", v.Reference, v.Data)
	case simprot.GatewayList:
		s += fmt.Sprintf(" %d", len(v))
	case *simprot.Login:
		s += " " + v.Instance
	case *simprot.Bye:
		s += " " + v.Reason
	}
	if p.Extras.Ask != "" {
		s += " ask " + p.Extras.Ask[max(0, len(p.Extras.Ask)-6):]
	}
	return s
}

// sentenceText is a sentence in a few characters: > to the customer, ! = not
// confirmed.
func sentenceText(v *simprot.ChatSentenceInfo) string {
	s := v.ID
	if v.IsOutbound {
		word, _, _ := strings.Cut(v.Text, " ")
		s = ">" + v.ID + "=" + word
		if v.ConfirmedTime == nil {
			s += "!"
		}
	}
	if v.Counter > 0 {
		s += fmt.Sprintf("(%d)", v.Counter)
	}
	return s
}
