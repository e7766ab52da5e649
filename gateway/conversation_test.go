package gateway

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"servicelink/config"
)

func TestSaw(t *testing.T) {
	type step struct {
		chat  string
		n     int32
		fresh bool
	}
	for name, tc := range map[string]struct {
		steps   []step
		counter int32
		missing string
	}{
		"in order":            {[]step{{"", 1, true}, {"", 2, true}}, 2, "[]"},
		"twice":               {[]step{{"", 1, true}, {"", 1, false}}, 1, "[]"},
		"a gap":               {[]step{{"", 4, true}}, 4, "[{1 3}]"},
		"the gap's beginning": {[]step{{"", 4, true}, {"", 1, true}}, 4, "[{2 3}]"},
		"the gap's end":       {[]step{{"", 4, true}, {"", 3, true}}, 4, "[{1 2}]"},
		"the gap's middle":    {[]step{{"", 4, true}, {"", 2, true}, {"", 2, false}}, 4, "[{1 1} {3 3}]"},
		"the gap is closed":   {[]step{{"", 2, true}, {"", 1, true}, {"", 1, false}}, 2, "[]"},
		"two gaps":            {[]step{{"", 2, true}, {"", 4, true}, {"", 3, true}}, 4, "[{1 1}]"},
		"no Counter":          {[]step{{"", 0, true}, {"", -1, true}}, 0, "[]"},
		"this chat":           {[]step{{"c", 1, true}}, 1, "[]"},
		"another chat":        {[]step{{"d", 5, false}}, 0, "[]"},
		"the largest":         {[]step{{"", 1<<31 - 1, true}, {"", 1<<31 - 1, false}}, 1<<31 - 1, "[{1 2147483646}]"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &conversation{chatID: "c"}
			for _, s := range tc.steps {
				if fresh := c.saw(s.chat, s.n); fresh != s.fresh {
					t.Errorf("saw(%q, %d) = %v", s.chat, s.n, fresh)
				}
			}
			if got := fmt.Sprint(c.missing); c.counter != tc.counter || got != tc.missing {
				t.Errorf("counter %d, missing %s; want %d, %s", c.counter, got, tc.counter, tc.missing)
			}
		})
	}
}

func TestAnswered(t *testing.T) {
	for name, tc := range map[string]struct {
		highest int32
		counter int32
		missing string
	}{
		"nothing":            {0, 9, "[{1 2} {5 8}]"},
		"within a gap":       {1, 9, "[{2 2} {5 8}]"},
		"between":            {4, 9, "[{5 8}]"},
		"within the second":  {7, 9, "[{8 8}]"},
		"all":                {9, 9, "[]"},
		"further than known": {12, 12, "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &conversation{counter: 9, missing: []gap{{1, 2}, {5, 8}}}
			c.answered(tc.highest)
			if got := fmt.Sprint(c.missing); c.counter != tc.counter || got != tc.missing {
				t.Errorf("counter %d, missing %s; want %d, %s", c.counter, got, tc.counter, tc.missing)
			}
		})
	}
}

// TestCountersAgainstASet compares gaps with the obvious: a set of every
// Counter seen or passed over.
func TestCountersAgainstASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Int32Range(0, 5).Draw(t, "start")
		c := &conversation{chatID: "c", counter: start}
		known, highest := map[int32]bool{}, start
		for n := int32(1); n <= start; n++ {
			known[n] = true
		}
		top := rapid.SampledFrom([]int32{8, 40, 400}).Draw(t, "top")
		exact := true // until gaps were merged
		for range rapid.IntRange(0, 300).Draw(t, "steps") {
			n := rapid.Int32Range(-1, top).Draw(t, "n")
			switch rapid.IntRange(0, 20).Draw(t, "what") {
			case 0:
				c.answered(n)
				for i := int32(1); i <= n; i++ {
					known[i] = true
				}
				highest = max(highest, n)
			case 1:
				if c.saw("another chat", n) != (n <= 0) {
					t.Fatalf("another chat's %d was taken", n)
				}
			default:
				fresh := c.saw("c", n)
				want := n <= 0 || !known[n]
				if fresh != want && (exact || want) {
					t.Fatalf("saw(%d) = %v", n, fresh)
				}
				known[n] = true
				highest = max(highest, n)
			}
			exact = exact && len(c.missing) < maxGaps
			checkGaps(t, c, known, highest, exact)
		}
	})
}

func checkGaps(t *rapid.T, c *conversation, known map[int32]bool, highest int32, exact bool) {
	if c.counter != highest {
		t.Fatalf("counter %d, want %d", c.counter, highest)
	}
	if len(c.missing) > maxGaps {
		t.Fatalf("%d gaps", len(c.missing))
	}
	missing := map[int32]bool{}
	last := int32(-1)
	for _, m := range c.missing {
		if m.from > m.to || m.from <= last+1 && last >= 0 || m.to >= highest {
			t.Fatalf("gaps %v below %d", c.missing, highest)
		}
		last = m.to
		for n := m.from; n <= m.to; n++ {
			missing[n] = true
		}
	}
	whole := true
	for n := int32(1); n <= highest; n++ {
		if got := c.whole(n); got && !whole || exact && got != whole {
			t.Fatalf("whole(%d) = %v, gaps %v", n, got, c.missing)
		}
		if missing[n] == known[n] && (exact || !known[n]) {
			t.Fatalf("%d: missing %v, known %v", n, missing[n], known[n])
		}
		whole = whole && known[n]
	}
}

func testChannelNamed(name string) *channel {
	m := newMetrics(prometheus.NewRegistry(), []metricChannel{{Name: name, Network: "fake"}}, "test")
	return &channel{cfg: config.Channel{Name: name}, gate: &gate{}, metrics: m.channel(name)}
}

func TestRegistry(t *testing.T) {
	r := newRegistry()
	a, b := testChannelNamed("a"), testChannelNamed("b")
	if r.find(a, "1") != nil {
		t.Error("found what is not there")
	}
	one := r.get(a, "1")
	if r.get(a, "1") != one || r.find(a, "1") != one {
		t.Error("one conversation has two records")
	}
	if r.get(b, "1") == one || one.ch != a || one.tracking != "1" {
		t.Error("two channels share a conversation")
	}
	for i := range 100 {
		r.get(b, fmt.Sprint(i))
	}
	count := func(ch *channel) (n int) {
		r.each(ch, func(c *conversation) {
			if ch != nil && c.ch != ch {
				t.Errorf("%s's conversation among %s's", c.ch.cfg.Name, ch.cfg.Name)
			}
			n++
		})
		return n
	}
	if na, nb, all := count(a), count(b), count(nil); na != 1 || nb != 100 || all != 101 {
		t.Errorf("%d, %d, %d conversations", na, nb, all)
	}
}

func TestRegistryMakesOneRecord(t *testing.T) {
	r, ch := newRegistry(), testChannelNamed("a")
	var got [16]*conversation
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() { got[i] = r.get(ch, "1") })
	}
	wg.Wait()
	for _, c := range got {
		if c != got[0] {
			t.Fatal("one conversation has two records")
		}
	}
}

func TestEvict(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(r *registry, c *conversation) (undo func())
		stays  bool
	}{
		"idle":          {func(*registry, *conversation) func() { return nil }, false},
		"looked up":     {func(r *registry, c *conversation) func() { r.find(c.ch, c.tracking); return nil }, true},
		"got":           {func(r *registry, c *conversation) func() { r.get(c.ch, c.tracking); return nil }, true},
		"holds a row":   {func(_ *registry, c *conversation) func() { c.in.rows = []*held{{}}; return nil }, true},
		"out lane runs": {func(_ *registry, c *conversation) func() { c.out.running = true; return nil }, true},
		"is behind":     {func(_ *registry, c *conversation) func() { c.in.behind = true; return nil }, true},
		"awaits":        {func(_ *registry, c *conversation) func() { c.waiting = &inItem{}; return nil }, true},
		"asks":          {func(_ *registry, c *conversation) func() { c.asking <- struct{}{}; return nil }, true},
		"asks for out":  {func(_ *registry, c *conversation) func() { c.out.asking = true; return nil }, true},
		"is locked":     {func(_ *registry, c *conversation) func() { c.mu.Lock(); return c.mu.Unlock }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, ch := newRegistry(), testChannelNamed("a")
				c := r.get(ch, "1")
				time.Sleep(evictAfter + time.Second)
				undo := tc.change(r, c)
				r.evict(time.Now().Add(-evictAfter))
				if undo != nil {
					undo()
				}
				if stays := r.find(ch, "1") == c; stays != tc.stays {
					t.Errorf("stays: %v", stays)
				}
			})
		})
	}
}

func TestMark(t *testing.T) {
	c := &conversation{ch: testChannelNamed("a"), tracking: "1", chatID: "c", counter: 7, released: 5}
	m := c.mark()
	if m.Channel != "a" || m.TrackingID != "1" || m.ChatID != "c" || m.Counter != 7 || m.Released != 5 {
		t.Errorf("mark %+v", m)
	}
	if c.asked(nil) {
		t.Error("asked on no session")
	}
}
