package gateway

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// TestRandomRuns lets everything go wrong at random, agents open and close
// chats at random too, and checks the promise at the end: nothing lost, once,
// in order, both ways. A failing run is repeated with SEED=n; RUNS sets how
// many are made.
func TestRandomRuns(t *testing.T) {
	runs, first := 40, uint64(time.Now().UnixNano())
	if n, err := strconv.Atoi(os.Getenv("RUNS")); err == nil {
		runs = n
	}
	if n, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		runs, first = 1, n
	}
	for i := range runs {
		seed := first + uint64(i)
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // dice that must be repeatable
			x := &randomRun{r: r, in: map[string]int{}, out: map[string][]said{}}
			var opts []houseOption
			if x.plain = r.IntN(3) == 0; x.plain {
				opts = append(opts, plainCore)
			}
			if x.old = r.IntN(3) == 0; x.old {
				opts = append(opts, oldJournal)
			}
			inHouse(t, func(h *house) { x.house = h; x.run() }, opts...)
		})
	}
}

type randomRun struct {
	*house
	r       *rand.Rand
	in      map[string]int    // messages written by each customer
	out     map[string][]said // what agents said to each customer
	crashes int
	plain   bool // the core does not mirror Ask
	old     bool // the journal is older than every sentence
}

type said struct{ id, text string }

var someCodes = []simprot.Code{
	"", simprot.CodeChatSentenceIn, simprot.CodeChatSentence, simprot.CodeChatStatusAsk,
	simprot.CodeChatStart, simprot.CodeChatRequest, simprot.CodeChatResync, simprot.CodeChatConfirmIn,
}

var someKinds = []refcore.FaultKind{
	refcore.FaultDrop, refcore.FaultDropAfter, refcore.FaultLose, refcore.FaultNever, refcore.FaultLate, refcore.FaultTwice,
}

func (x *randomRun) run() {
	customers := []string{"anna", "berta", "carla", "dora"}
	moods := x.r.Perm(8)
	x.net.fail = func(n int, _ connectors.Part) error {
		if moods[n%len(moods)] == 0 {
			return sendErr(connectors.NotSent, connectors.ReasonConnect)
		}
		return nil
	}
	for _, c := range customers[:3] {
		x.in[c] = 1
		x.writes(c, 1)
	}
	x.waits(10 * time.Second)
	x.begins("dora") // the agent writes first
	x.agentSays("dora")
	for range 120 {
		x.step(customers[x.r.IntN(len(customers))])
		if x.r.IntN(3) == 0 {
			x.waits(time.Duration(x.r.IntN(300)) * time.Millisecond)
		}
	}
	x.core.ClearFaults()
	x.waits(3 * time.Hour)
	x.check(customers)
}

// step lets one thing happen, most to one customer.
func (x *randomRun) step(c string) {
	switch n := x.r.IntN(100); {
	case n < 38:
		x.in[c]++
		x.writes(c, x.in[c])
		if x.r.IntN(5) == 0 {
			x.writes(c, x.in[c]) // the network repeats itself
		}
	case n < 67:
		if x.chat(c).Status.Closed() && !x.begins(c) {
			return
		}
		x.agentSays(c)
	case n < 72:
		// A plain core does not list closed chats: what was said there and never
		// reached the gateway is seen when the customer writes again, or never.
		if !x.plain || x.allJournaled(c) && x.orderIsDurable(c) {
			x.closes(c)
		}
	case n < 81:
		x.misbehaves()
	case n < 85:
		x.door.breakAll()
	case n < 89:
		x.crash()
		x.crashes++
		x.start()
	case n < 91:
		x.stop()
		x.start()
	default:
		x.waits(time.Duration(x.r.IntN(5000)) * time.Millisecond)
	}
}

func (x *randomRun) agentSays(c string) {
	s := said{text: fmt.Sprintf("%s-%04d", c, len(x.out[c]))}
	s.id = x.says(c, s.text)
	x.out[c] = append(x.out[c], s)
}

// begins opens a chat from the agent's side, where that is no known limit of
// the protocol: STATUS shows a conversation's latest chat only. What a customer
// wrote into the earlier one, its echo lost, is not found any more and written
// again; what the agent said there, and the gateway never saw, cannot be seen
// any more. Both need two chats begun at the core while the gateway is away or
// in doubt; neither is let happen here.
func (x *randomRun) begins(c string) bool {
	x.Helper()
	if !x.allJournaled(c) {
		return false
	}
	lanes, err := x.disk.mem.Lanes(x.Context(), testChannel, journal.In)
	if err != nil {
		x.Fatal(err)
	}
	if slices.ContainsFunc(lanes, func(l journal.LaneInfo) bool { return l.Lane.TrackingID == c+"|fake" }) {
		return false
	}
	if _, err := x.core.Begin(x.address(c), "Customer "+c); err != nil {
		x.Fatal(err)
	}
	return true
}

// allJournaled tells whether the journal has all that was said to a customer.
func (x *randomRun) allJournaled(c string) bool {
	x.Helper()
	return !slices.Contains(x.journaled(c), nil)
}

// orderIsDurable tells whether the journal's pending rows of a customer are in
// the order they were said, or all name their chat. A row journaled without its
// chat, and out of order, is placed by STATUS while its chat is the latest; once
// it is not, nothing tells a process that starts anew which chat the row was of,
// and so whether its Counter or its arrival is its order. Arrival is.
func (x *randomRun) orderIsDurable(c string) bool {
	x.Helper()
	ordered, named, last := true, true, int64(0)
	for _, row := range x.journaled(c) {
		if row != nil && row.State.Pending() {
			ordered, named, last = ordered && row.Seq > last, named && row.ChatID != "", row.Seq
		}
	}
	return ordered || named
}

// journaled gives the rows of what was said to a customer, nil where there is
// none.
func (x *randomRun) journaled(c string) []*journal.Row {
	x.Helper()
	x.waits(10 * time.Millisecond) // changes nobody waits for take their time
	lane := journal.Lane{Channel: testChannel, Direction: journal.Out, TrackingID: c + "|fake"}
	var keys []journal.IDHash
	for _, s := range x.out[c] {
		keys = append(keys, journal.IDHash{ID: s.id, TextHash: textHash(s.text)})
	}
	rows, err := x.disk.mem.Find(x.Context(), lane, keys...)
	if err != nil {
		x.Fatal(err)
	}
	return rows
}

// check is the promise.
func (x *randomRun) check(customers []string) {
	x.Helper()
	repeats, told := 0, x.toldOf()
	for _, c := range customers {
		x.wantShown(c, x.in[c])
		repeats += x.wantTexts(c, told)
	}
	if most := x.crashes * len(customers); repeats > most {
		x.Errorf("%d repeats after %d crashes: more than had a send in flight", repeats, x.crashes)
	}
	for _, dir := range []journal.Direction{journal.In, journal.Out} {
		if n := x.pending(dir); n != 0 {
			x.Errorf("%v: %d pending", dir, n)
		}
	}
}

// toldOf gives the sentences whose fate is reported as unknown: those of a chat
// the journal had not heard of, said when it was new. Any other dead letter is
// a failure.
func (x *randomRun) toldOf() map[string]bool {
	x.Helper()
	rows, err := x.disk.mem.Dead(x.Context(), journal.DeadQuery{})
	if err != nil {
		x.Fatal(err)
	}
	told := map[string]bool{}
	for _, r := range rows {
		told[r.ID] = true
		if x.old || r.Lane.Direction != journal.Out || r.Reason != string(connectors.ReasonUnknown) || r.SentAt.Sub(x.disk.mem.Born()) > knownBefore {
			x.Errorf("dead letter %v %s: %s", r.Lane.Direction, r.ID, r.Reason)
		}
	}
	return told
}

func (x *randomRun) misbehaves() {
	f := refcore.Fault{Kind: someKinds[x.r.IntN(len(someKinds))], Code: someCodes[x.r.IntN(len(someCodes))], Count: 1 + x.r.IntN(3)}
	if question := f.Code != simprot.CodeChatSentenceIn && f.Code != simprot.CodeChatSentence; x.plain && question &&
		(f.Kind == refcore.FaultLate || f.Kind == refcore.FaultTwice) {
		return // answers that cannot be told apart must at least come once and in order
	}
	if f.Kind == refcore.FaultLate {
		f.Delay = time.Duration(1+x.r.IntN(60_000)) * time.Millisecond
	}
	if err := x.core.AddFault(f); err != nil {
		x.Fatal(err)
	}
}

// wantTexts checks that a customer got every text that was not reported, in
// order by first appearance, and counts the repeats.
func (x *randomRun) wantTexts(customer string, told map[string]bool) (repeats int) {
	x.Helper()
	var first, want []string
	for _, p := range x.net.sent {
		if p.To.TrackingID != customer+"|fake" {
			continue
		}
		if slices.Contains(first, p.Text) {
			repeats++
			continue
		}
		first = append(first, p.Text)
	}
	for _, s := range x.out[customer] {
		if !told[s.id] {
			want = append(want, s.text)
		}
	}
	if !slices.Equal(first, want) {
		x.Errorf("%s got %v, want %v", customer, first, want)
	}
	return repeats
}
