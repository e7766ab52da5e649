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

// TestRandomRuns lets everything go wrong at random and checks the promise at
// the end: nothing lost, once, in order, both ways. A failing run is repeated
// with SEED=n; RUNS sets how many are made.
func TestRandomRuns(t *testing.T) {
	runs, first := 60, uint64(time.Now().UnixNano())
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
			var opts []houseOption
			plain := r.IntN(3) == 0
			if plain {
				opts = append(opts, plainCore)
			}
			if r.IntN(3) == 0 {
				opts = append(opts, oldJournal)
			}
			inHouse(t, func(h *house) {
				(&randomRun{house: h, r: r, plain: plain, in: map[string]int{}, out: map[string][]string{}}).run()
			}, opts...)
		})
	}
}

type randomRun struct {
	*house
	r       *rand.Rand
	in      map[string]int      // messages written by each customer
	out     map[string][]string // texts said to each customer
	crashes int
	plain   bool // the core does not mirror Ask
}

var someCodes = []simprot.Code{
	"", simprot.CodeChatSentenceIn, simprot.CodeChatSentence, simprot.CodeChatStatusAsk,
	simprot.CodeChatStart, simprot.CodeChatRequest, simprot.CodeChatResync, simprot.CodeChatConfirmIn,
}

var someKinds = []refcore.FaultKind{
	refcore.FaultDrop, refcore.FaultDropAfter, refcore.FaultLose, refcore.FaultNever, refcore.FaultLate, refcore.FaultTwice,
}

func (x *randomRun) run() {
	customers := []string{"anna", "berta", "carla"}
	for _, c := range customers {
		x.in[c] = 1
		x.writes(c, 1)
	}
	x.waits(10 * time.Second)
	var resends int
	moods := x.r.Perm(8)
	x.net.fail = func(n int, _ connectors.Part) error {
		if moods[n%len(moods)] == 0 {
			return sendErr(connectors.NotSent, connectors.ReasonConnect)
		}
		return nil
	}
	for range 120 {
		c := customers[x.r.IntN(len(customers))]
		switch n := x.r.IntN(100); {
		case n < 40:
			x.in[c]++
			x.writes(c, x.in[c])
			if x.r.IntN(5) == 0 {
				x.writes(c, x.in[c]) // the network repeats itself
			}
		case n < 70:
			text := fmt.Sprintf("%s-%04d", c, len(x.out[c]))
			x.out[c] = append(x.out[c], text)
			x.says(c, text)
		case n < 80:
			x.fault()
		case n < 84:
			x.door.breakAll()
		case n < 88:
			x.crash()
			x.crashes++
			x.start()
		default:
			x.waits(time.Duration(x.r.IntN(5000)) * time.Millisecond)
		}
		if x.r.IntN(3) == 0 {
			x.waits(time.Duration(x.r.IntN(300)) * time.Millisecond)
		}
	}
	x.core.ClearFaults()
	x.waits(3 * time.Hour)
	for _, c := range customers {
		x.wantShown(c, x.in[c])
		resends += x.wantTexts(c)
	}
	if most := x.crashes * len(customers); resends > most {
		x.Errorf("%d repeats after %d crashes: more than had a send in flight", resends, x.crashes)
	}
	for _, dir := range []journal.Direction{journal.In, journal.Out} {
		if n := x.pending(dir); n != 0 {
			x.Errorf("%v: %d pending", dir, n)
		}
	}
	if dead := x.dead(); len(dead) != 0 {
		x.Errorf("dead letters %v", dead)
	}
}

func (x *randomRun) fault() {
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

// wantTexts checks that a customer got every text, in order by first
// appearance, and counts the repeats.
func (x *randomRun) wantTexts(customer string) (repeats int) {
	x.Helper()
	var first []string
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
	if !slices.Equal(first, x.out[customer]) {
		x.Errorf("%s got %v, want %v", customer, first, x.out[customer])
	}
	return repeats
}
