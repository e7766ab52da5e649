package chaos

import (
	"strings"
	"testing"
	"time"

	"servicelink/simprot"
	"servicelink/test/proc"
)

// TestJudge: the oracle finds what it is there to find, and nothing else.
func TestJudge(t *testing.T) {
	start := time.Now()
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	yes := "then"
	in := func(text string) proc.Line { return proc.Line{ID: "x" + text, Text: text} }
	out := func(id string) proc.Line { return proc.Line{ID: id, Text: id, Outbound: true, Confirmed: &yes} }
	open := func(id string) proc.Line { return proc.Line{ID: id, Text: id, Outbound: true} }
	note := func(id string) proc.Line { return proc.Line{ID: "note:" + id, Model: 2} }
	only := func(lines ...proc.Line) [][]proc.Line { return [][]proc.Line{lines} }
	said := []string{"a", "b", "c"}
	all := []proc.Line{in("1"), out("a"), in("2"), out("b"), out("c")}
	came := []arrival{{"a", 1, at(1)}, {"b", 1, at(2)}, {"c", 2, at(3)}}
	spoilt := []disturbance{{at(10), at(20)}}
	for name, tt := range map[string]struct {
		e       evidence
		repeats int
		want    string // part of the only violation; empty = none
	}{
		"nothing is wrong": {e: evidence{chats: only(all...), arrivals: came}},
		"lost at the core": {e: evidence{chats: only(all[1:]...), arrivals: came}, want: `"1", the core has it 0 times`},
		"twice at the core": {
			e:    evidence{chats: only(append([]proc.Line{in("1")}, all...)...), arrivals: came},
			want: `"1", the core has it 2 times`,
		},
		"order at the core": {
			e:    evidence{chats: only(in("2"), out("a"), in("1"), out("b"), out("c")), arrivals: came},
			want: "in another order",
		},
		"out of nowhere at the core": {
			e:    evidence{chats: only(append([]proc.Line{in("3")}, all...)...), arrivals: came},
			want: `nobody wrote "3"`,
		},
		"lost at the network": {e: evidence{chats: only(all...), arrivals: came[:2]}, want: `"c" is confirmed and not at the network`},
		"order at the network": {
			e:    evidence{chats: only(all...), arrivals: []arrival{{"b", 1, at(1)}, {"a", 1, at(2)}, {"c", 1, at(3)}}},
			want: `"a" came to the network after "b"`,
		},
		"out of nowhere at the network": {
			e:    evidence{chats: only(all...), arrivals: append([]arrival{{"z", 1, at(0)}}, came...)},
			want: `nobody said "z"`,
		},
		"noted in one note for several": {
			e: evidence{chats: only(in("1"), in("2"), open("a"), open("b"), out("c"),
				proc.Line{ID: "note:lost:b", Model: 2, Text: "Not known. Message IDs: [a b]"}), arrivals: came[2:]},
		},
		"missing in a note for several": {
			e: evidence{chats: only(in("1"), in("2"), open("a"), open("b"), out("c"),
				proc.Line{ID: "note:lost:b", Model: 2, Text: "Not known. Message IDs: [aa b]"}), arrivals: came[2:]},
			want: `"a" is neither confirmed nor noted`,
		},
		"noted, not arrived": {e: evidence{chats: only(in("1"), in("2"), out("a"), open("b"), note("b"), out("c")), arrivals: []arrival{came[0], came[2]}}},
		"noted and arrived":  {e: evidence{chats: only(in("1"), in("2"), out("a"), open("b"), note("b"), out("c")), arrivals: came}},
		"noted and confirmed": {
			e:    evidence{chats: only(append([]proc.Line{note("b")}, all...)...), arrivals: came},
			want: `"b" is confirmed, and a note`,
		},
		"silence": {
			e:    evidence{chats: only(in("1"), in("2"), out("a"), open("b"), out("c")), arrivals: came},
			want: `"b" is neither confirmed nor noted`,
		},
		"a dead letter of an open chat": {
			e:    evidence{dead: []string{"b"}, chats: only(in("1"), in("2"), out("a"), open("b"), out("c")), arrivals: came},
			want: `"b" is neither confirmed nor noted`,
		},
		"a dead letter of a closed chat, its ID with the customer's in it": {
			e: evidence{
				tracking: "10002|omnichannel", closed: true, dead: []string{"a" + simprot.LogID("10002|omnichannel") + "-3"},
				chats: only(in("1"), in("2"), out("a"), open("a10002-3"), out("b"), out("c")), arrivals: came,
			},
		},
		"a dead letter of a closed chat": {
			e: evidence{closed: true, dead: []string{"b"}, chats: only(in("1"), in("2"), out("a"), open("b"), out("c")), arrivals: came},
		},
		"unconfirmed in an earlier chat": {
			e:    evidence{chats: [][]proc.Line{{open("a")}, {in("1"), in("2"), out("b"), out("c")}}, arrivals: came},
			want: `"a" is neither confirmed nor noted`,
		},
		"lost by the core": {
			e:    evidence{chats: only(in("1"), in("2"), out("a"), out("c")), arrivals: []arrival{came[0], came[2]}},
			want: `the core lost "b"`,
		},
		"again over a kill": {
			e:       evidence{resend: true, chats: only(all...), arrivals: []arrival{came[0], came[1], {"b", 2, at(3)}, {"c", 2, at(4)}}},
			repeats: 1,
		},
		"again over a kill, policy report": {
			e:       evidence{chats: only(all...), arrivals: []arrival{came[0], came[1], {"b", 2, at(3)}, {"c", 2, at(4)}}},
			repeats: 1, want: "the policy is report",
		},
		"again, and not the last of its process": {
			e:       evidence{resend: true, chats: only(all...), arrivals: []arrival{came[0], came[1], {"a", 2, at(3)}, {"c", 2, at(4)}}},
			repeats: 1, want: "was not in flight",
		},
		"served after its repeat": {
			e:       evidence{resend: true, chats: only(all...), arrivals: []arrival{came[0], {"b", 2, at(3)}, {"c", 2, at(4)}, {"b", 1, at(5)}}},
			repeats: 1,
		},
		"again in one process, undisturbed": {
			e:       evidence{resend: true, chats: only(all...), arrivals: []arrival{came[0], came[1], {"b", 1, at(9)}, {"c", 2, at(21)}}},
			repeats: 1, want: "nothing disturbed its answer",
		},
		"again in one process, disturbed": {
			e:       evidence{resend: true, chats: only(all...), arrivals: []arrival{came[0], came[1], {"b", 1, at(11)}, {"c", 2, at(21)}}},
			repeats: 1,
		},
		"again in one process, disturbed before": {
			e:       evidence{resend: true, chats: only(all...), arrivals: []arrival{came[0], {"b", 1, at(21)}, {"b", 1, at(22)}, {"c", 2, at(23)}}},
			repeats: 1, want: "nothing disturbed its answer",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tt.e.written, tt.e.said = []string{"1", "2"}, said
			s, violations := judge(tt.e, spoilt)
			if s.Repeats != tt.repeats {
				t.Errorf("%d repeats, want %d", s.Repeats, tt.repeats)
			}
			if tt.want == "" && len(violations) != 0 || tt.want != "" && (len(violations) != 1 || !strings.Contains(violations[0], tt.want)) {
				t.Errorf("found %q, want %q", violations, tt.want)
			}
		})
	}
}
