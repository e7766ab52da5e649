package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"servicelink/simprot"
	"servicelink/test/proc"
)

// evidence is what both ends know of one conversation once everything has come
// to rest.
type evidence struct {
	name     string
	tracking string
	closed   bool          // the agent closed a chat
	resend   bool          // the channel's policy for sends of unknown fate; false = report
	written  []string      // by the customer, in order
	said     []string      // IDs of what agents said and were told is safe, in order
	chats    [][]proc.Line // at the core, oldest first
	arrivals []arrival     // at the network, as they came
	dead     []string      // IDs the gateway has as dead letters
}

// arrival is one message the network took from a gateway.
type arrival struct {
	id   string // the text, which is the sentence's ID
	life int    // of the gateway that sent it, from 1
	at   time.Time
}

// disturbance is a time in which an answer of the network could be lost or
// late: within it the fate of a send may be unknown to a living gateway.
type disturbance struct{ from, to time.Time }

// sums are what the conversations of a round add up to.
type sums struct {
	Conversations int `json:"conversations"`
	Written       int `json:"written_by_customers"`
	AtCore        int `json:"of_these_at_the_core"`
	Said          int `json:"said_by_agents"`
	AtNetwork     int `json:"of_these_at_the_network"`
	Repeats       int `json:"repeats_of_unknown_fate"`
	Notes         int `json:"tech_notes"`
	DeadOnly      int `json:"dead_letters_without_note"` // the chat was closed: a note opens none
}

func (s *sums) add(o sums) {
	s.Conversations += o.Conversations
	s.Written += o.Written
	s.AtCore += o.AtCore
	s.Said += o.Said
	s.AtNetwork += o.AtNetwork
	s.Repeats += o.Repeats
	s.Notes += o.Notes
	s.DeadOnly += o.DeadOnly
}

// judge compares both ends of a conversation.
func judge(e evidence, spoilt []disturbance) (s sums, violations []string) {
	j := &judgement{e: e, spoilt: spoilt, sums: sums{Conversations: 1, Written: len(e.written)}}
	j.sort()
	j.customer()
	j.agent()
	j.fates()
	return j.sums, j.violations
}

type judgement struct {
	e      evidence
	spoilt []disturbance

	heard      []string        // customer's texts at the core, in order
	outbound   []string        // agents' sentences at the core, in order
	confirmed  map[string]bool // of those
	noted      map[string]bool // a tech note speaks of the sentence
	arrived    map[string]bool
	sums       sums
	violations []string
}

func (j *judgement) wrong(format string, args ...any) {
	j.violations = append(j.violations, j.e.name+": "+fmt.Sprintf(format, args...))
}

// sort takes the core's lines apart.
func (j *judgement) sort() {
	j.confirmed, j.noted, j.arrived = map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, l := range slices.Concat(j.e.chats...) {
		id, note := strings.CutPrefix(l.ID, "note:")
		switch {
		case l.Outbound:
			j.outbound = append(j.outbound, l.ID)
			j.confirmed[l.ID] = l.Confirmed != nil
		case l.Model == 0:
			j.heard = append(j.heard, l.Text)
		case note:
			j.sums.Notes++
			j.noted[id] = true
			if strings.HasPrefix(id, "lost:") { // one note for all that a chat has shown
				for _, said := range strings.FieldsFunc(l.Text, func(r rune) bool { return strings.ContainsRune(" []", r) }) {
					j.noted[said] = true
				}
			}
		default: // a note of another kind names no single sentence
			j.sums.Notes++
			for _, said := range j.e.said {
				if strings.Contains(l.Text, said) {
					j.noted[said] = true
				}
			}
		}
	}
}

// customer: everything written is at the core, once and in order.
func (j *judgement) customer() {
	j.sums.AtCore = len(j.heard)
	if slices.Equal(j.heard, j.e.written) {
		return
	}
	times := map[string]int{}
	for _, text := range j.heard {
		times[text]++
	}
	known := map[string]bool{}
	for _, text := range j.e.written {
		known[text] = true
		if n := times[text]; n != 1 {
			j.wrong("the customer wrote %q, the core has it %d times", text, n)
		}
	}
	for text := range times {
		if !known[text] {
			j.wrong("nobody wrote %q, which the core has", text)
		}
	}
	if len(j.violations) == 0 {
		j.wrong("the core has the customer's messages in another order: %q", j.heard)
	}
}

// agent: what arrived is what was said, in order by first appearance, and again
// only where that is excused.
func (j *judgement) agent() {
	j.sums.Said = len(j.e.said)
	// A network may come to a request that a kill cut off after it has served
	// later ones; what one process sent is put before what the next one sent.
	arrivals := slices.Clone(j.e.arrivals)
	slices.SortStableFunc(arrivals, func(a, b arrival) int { return cmp.Compare(a.life, b.life) })
	last := -1
	for i, a := range arrivals {
		if j.arrived[a.id] {
			j.sums.Repeats++
			j.repeat(arrivals[:i], a)
			continue
		}
		j.arrived[a.id] = true
		j.sums.AtNetwork++
		switch n := slices.Index(j.outbound, a.id); {
		case n < 0:
			j.wrong("nobody said %q, which the network has", a.id)
		case n < last:
			j.wrong("%q came to the network after %q", a.id, j.outbound[last])
		default:
			last = n
		}
	}
}

// repeat says whether a came again for a reason: the policy is resend and the
// fate of the one before could not be known. That is so when it was the last one
// of an earlier process: had anything later arrived, that process would have
// been done with it. Within one process answers must have been disturbed.
func (j *judgement) repeat(before []arrival, a arrival) {
	latest := before[len(before)-1]
	switch {
	case !j.e.resend:
		j.wrong("%q came to the network again, and the policy is report", a.id)
	case latest.id != a.id:
		j.wrong("%q came to the network again after %q, so it was not in flight", a.id, latest.id)
	case latest.life == a.life && !slices.ContainsFunc(j.spoilt, func(d disturbance) bool { return d.from.Before(a.at) && latest.at.Before(d.to) }):
		j.wrong("%q came to the network again within one process, and nothing disturbed its answer", a.id)
	}
}

// fates: every sentence has one, and the agent is told the right one.
func (j *judgement) fates() {
	for _, id := range j.e.said {
		if !slices.Contains(j.outbound, id) {
			j.wrong("the core lost %q", id)
		}
	}
	for _, id := range j.outbound {
		listed := simprot.LogEventID(j.e.tracking, id) // as lists show it
		switch {
		case !j.confirmed[id] && !j.noted[id] && slices.Contains(j.e.dead, listed) && j.e.closed:
			j.sums.DeadOnly++
		case !j.confirmed[id] && !j.noted[id]:
			j.wrong("%q is neither confirmed nor noted", id)
		case j.confirmed[id] && !j.arrived[id]:
			j.wrong("%q is confirmed and not at the network", id)
		case j.confirmed[id] && j.noted[id]:
			j.wrong("%q is confirmed, and a note says it is not delivered", id)
		}
	}
}
