package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot/refcore"
)

// monday is the first hour of a Monday.
var monday = time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)

// office is a shop that is written to from 8 to 18 from Monday to Friday.
func office(perHour int) func(time.Time) int {
	return func(at time.Time) int {
		if at.Hour() < 8 || at.Hour() >= 18 || at.Weekday() == time.Saturday || at.Weekday() == time.Sunday {
			return 0
		}
		return perHour
	}
}

// allDay is written to each minute.
func allDay(time.Time) int { return 60 }

// lived gives a channel's ring after days of traffic that began on a day, evenly
// within each hour, up to the given moment.
func lived(first, until time.Time, rate func(time.Time) int) *traffic {
	t := newTraffic(first)
	t.load(journal.Arrivals{}, first.Add(-time.Hour), first)
	t.live(first, until, rate)
	return t
}

func (t *traffic) live(from, until time.Time, rate func(time.Time) int) {
	for hour := from; hour.Before(until); hour = hour.Add(time.Hour) {
		t.turn(hour)
		n := rate(hour)
		for i := range n {
			if at := hour.Add(time.Duration(i) * time.Hour / time.Duration(n)); at.Before(until) {
				t.came([]journal.Verdict{journal.New}, at)
			}
		}
	}
}

// alarmed is the first time within the span, looked at each minute, at which a
// channel that gets nothing any more is unusually silent; zero = never.
func (t *traffic) alarmed(from, until time.Time) time.Time {
	for now := from; now.Before(until); now = now.Add(time.Minute) {
		t.turn(now)
		if n, _, ok := t.missing(now); ok && n >= silenceAt {
			return now
		}
	}
	return time.Time{}
}

func TestSilence(t *testing.T) {
	at := func(days, hours, minutes int) time.Time {
		return monday.AddDate(0, 0, days).Add(time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute)
	}
	never := time.Duration(-1)
	for name, c := range map[string]struct {
		first  time.Time
		deaf   time.Time // nothing comes from here on
		rate   func(time.Time) int
		watch  time.Duration
		within time.Duration // after which it is told; never = not
	}{
		"a busy hour begins deaf":           {at(0, 0, 0), at(9, 14, 0), office(60), day, 25 * time.Minute},
		"deaf in the middle of an hour":     {at(0, 0, 0), at(9, 14, 40), office(60), day, 25 * time.Minute},
		"deaf late in an hour":              {at(0, 0, 0), at(9, 14, 55), office(25), day, time.Hour},
		"a quiet channel needs longer":      {at(0, 0, 0), at(9, 9, 0), office(5), day, 4*time.Hour + time.Minute},
		"a channel of few messages":         {at(0, 0, 0), at(9, 9, 0), office(1), day, never},
		"the night":                         {at(0, 0, 0), at(9, 18, 0), office(500), 14 * time.Hour, never},
		"the weekend":                       {at(0, 0, 0), at(11, 18, 0), office(500), 62 * time.Hour, never},
		"deaf since Friday evening":         {at(0, 0, 0), at(11, 18, 0), office(60), 72 * time.Hour, 63*time.Hour + 10*time.Minute},
		"the first weekend":                 {at(0, 0, 0), at(4, 18, 0), office(500), 62 * time.Hour, never},
		"the first Monday, from a Thursday": {at(3, 0, 0), at(4, 18, 0), office(60), 75 * time.Hour, never}, // the weekend is half of what is known
		"two days are too few":              {at(0, 0, 0), at(2, 12, 0), allDay, 11 * time.Hour, never},
		"three days will do":                {at(0, 0, 0), at(3, 14, 0), allDay, day, 25 * time.Minute},
		"a Sunday nobody has seen yet":      {at(0, 0, 0), at(6, 14, 0), allDay, 9 * time.Hour, never},
		"one loud hour, a week before": {at(0, 0, 0), at(9, 20, 0), func(at time.Time) int {
			if at.Equal(monday.AddDate(0, 0, 2).Add(22 * time.Hour)) {
				return 9000
			}
			return 1
		}, 10 * time.Hour, never},
		"weeks later": {at(0, 0, 0), at(30, 14, 0), office(60), day, 25 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			ring := lived(c.first, c.deaf, c.rate)
			if before := ring.alarmed(c.deaf.Add(-time.Minute), c.deaf); !before.IsZero() {
				t.Errorf("told before, at %v", before)
			}
			told := ring.alarmed(c.deaf, c.deaf.Add(c.watch))
			switch {
			case c.within == never && !told.IsZero():
				n, since, _ := ring.missing(told)
				t.Errorf("told after %v: %.0f since %v", told.Sub(c.deaf), n, since)
			case c.within != never && (told.IsZero() || told.Sub(c.deaf) > c.within):
				t.Errorf("told at %v, want within %v", told, c.within)
			case c.within != never && told.Sub(c.deaf) < c.within/3:
				t.Errorf("told after %v already", told.Sub(c.deaf))
			}
		})
	}
}

// TestSilenceOfUnevenHours: who opens and closes in the middle of an hour is not
// missed in the rest of it.
func TestSilenceOfUnevenHours(t *testing.T) {
	rate := office(0)
	ring := newTraffic(monday)
	ring.load(journal.Arrivals{}, monday.Add(-time.Hour), monday)
	burst := func(at time.Time, n int) {
		for range n {
			ring.turn(at)
			ring.came([]journal.Verdict{journal.New}, at)
		}
	}
	for d := range 9 {
		morning := monday.AddDate(0, 0, d).Add(9*time.Hour + 30*time.Minute)
		burst(morning, 300) // opens half past nine
		ring.live(morning.Add(30*time.Minute), morning.Add(8*time.Hour), rate)
		for h := range 7 {
			burst(morning.Add(time.Duration(h)*time.Hour+30*time.Minute), 300)
		}
		burst(morning.Add(8*time.Hour), 200) // closes half past five
	}
	closed := monday.AddDate(0, 0, 8).Add(17*time.Hour + 31*time.Minute)
	if at := ring.alarmed(closed, closed.Add(16*time.Hour-2*time.Minute)); !at.IsZero() {
		n, since, _ := ring.missing(at)
		t.Errorf("told at %v: %.0f since %v", at, n, since)
	}
}

func TestSilenceIsExcused(t *testing.T) {
	deaf := monday.AddDate(0, 0, 9).Add(14 * time.Hour)
	ring := lived(monday, deaf, allDay)
	now := deaf.Add(2 * time.Hour)
	if n, since, ok := ring.missing(now); !ok || n < 100 || !since.Before(deaf) {
		t.Errorf("%v since %v, %t", n, since, ok)
	}
	ring.excuse(now)
	if n, since, ok := ring.missing(now.Add(10 * time.Minute)); !ok || n < 9 || n > 11 || !since.Equal(now) {
		t.Errorf("excused: %v since %v, %t", n, since, ok)
	}
	ring.came([]journal.Verdict{journal.Repeat}, now.Add(time.Hour))
	if _, since, _ := ring.missing(now.Add(time.Hour)); !since.Equal(now) {
		t.Errorf("a repeat counts: since %v", since)
	}
	if ring.came([]journal.Verdict{journal.Refused}, now.Add(time.Hour)); !ring.latest().Equal(now.Add(time.Hour)) {
		t.Errorf("the latest came at %v", ring.latest())
	}
}

// TestSilenceInHouse: what is usual is in the journal; a channel that goes deaf is
// told of.
func TestSilenceInHouse(t *testing.T) {
	inHouse(t, func(h *house) {
		h.stop()
		for hour := range 4 * hoursADay {
			entries := make([]journal.Entry, 0, 60)
			for i := range cap(entries) {
				entries = append(entries, journal.Entry{
					Lane: journal.Lane{Channel: testChannel, Direction: journal.In, TrackingID: "ada|fake"},
					ID:   fmt.Sprint(hour, ".", i), DeadReason: string(connectors.ReasonContent),
				})
			}
			if _, err := h.disk.mem.Accept(h.Context(), entries...); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		h.start()
		ch := h.gw.channel(testChannel)
		want := func(when string, state connectors.CheckState) connectors.Check {
			t.Helper()
			c := ch.examineTraffic(time.Now())
			if c.State != state || (c.Fault != "") != (c.Cure != "") {
				t.Errorf("%s: %+v", when, c)
			}
			return c
		}
		h.waits(trafficEvery)
		want("after the start", connectors.CheckOK)
		h.waits(15 * time.Minute)
		h.writes("bob", 1)
		h.waits(15 * time.Minute)
		want("a quarter after a message", connectors.CheckOK)
		h.waits(10 * time.Minute)
		if c := want("deaf", connectors.CheckWarning); c.Fault != connectors.FaultSilent || !strings.Contains(c.Found, "25m") {
			t.Errorf("deaf: %+v", c)
		}
		h.writes("bob", 2)
		want("it hears again", connectors.CheckOK)
	})
}

// TestSilenceOfPausedPoller: what nobody polls for is not missed.
func TestSilenceOfPausedPoller(t *testing.T) {
	inHouse(t, func(h *house) {
		h.gw.channel(testChannel).traffic.excuse(time.Now().Add(-time.Hour))
		h.waits(2 * trafficEvery)
		since := func() time.Time { return time.Unix(0, h.gw.channel(testChannel).traffic.from.Load()) }
		if time.Since(since()) < time.Hour {
			t.Error("excused though nothing is wrong")
		}
		if err := h.gw.pause(h.Context(), testChannel, true); err != nil {
			t.Fatal(err)
		}
		h.waits(2 * trafficEvery)
		if time.Since(since()) > trafficEvery {
			t.Error("missed though nobody polls")
		}
	}, func(h *house, _ *refcore.Options) {
		h.build = func(config.Channel) (connectors.Connector, error) { return &pollNet{}, nil }
	})
}
