package gateway

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
)

// A channel that has gone deaf fails nowhere: nobody calls, and nothing is wrong.
// Only the silence tells, where the channel is not usually silent at this time.

const (
	hoursADay = 24
	week      = 7 // days
	// trafficReach is how far back hours are looked at: a week before any hour of
	// the last day.
	trafficReach = 8 * hoursADay
	trafficRing  = trafficReach + hoursADay // a day of it is empty, for the hours to come
	// usualDays is of how many days an hour must be known before one calls anything usual.
	usualDays = 3
	// silenceAt is how many messages must be missing. That so many fail to come by
	// chance is not to be expected of customers, who write in bursts.
	silenceAt = 20
	// trafficEvery is how often the rings are turned on.
	trafficEvery = 10 * time.Second
)

// traffic counts what comes for one channel, hour by hour.
type traffic struct {
	hours [trafficRing]atomic.Uint32 // by the number of the hour
	last  atomic.Int64               // when something came, Unix nanoseconds; 0 = not known
	// from is when silence began to count, Unix nanoseconds: since something came or
	// could have come.
	from atomic.Int64
	// known is the first hour of which all is known; 0 = the journal was not asked yet.
	known atomic.Int64
	made  time.Time
	empty int64 // the hours up to this one are cleared; the keeper's
}

func newTraffic(now time.Time) *traffic {
	t := &traffic{made: now, empty: journal.HourOf(now) + hoursADay - 1}
	t.from.Store(now.UnixNano())
	return t
}

// came counts messages. It is called for every one that is taken.
func (t *traffic) came(verdicts []journal.Verdict, now time.Time) {
	n := uint32(0)
	for _, v := range verdicts {
		if v != journal.Repeat {
			n++
		}
	}
	if n > 0 && t != nil {
		t.hours[journal.HourOf(now)%trafficRing].Add(n)
		t.last.Store(now.UnixNano())
		t.from.Store(now.UnixNano())
	}
}

// turn clears the hours to come.
func (t *traffic) turn(now time.Time) {
	for until := journal.HourOf(now) + hoursADay - 1; t.empty < until; {
		t.empty++
		t.hours[t.empty%trafficRing].Store(0)
	}
}

// excuse says that nothing can come now.
func (t *traffic) excuse(now time.Time) { t.from.Store(now.UnixNano()) }

// load adds what came before this process, which the journal knows of since then.
func (t *traffic) load(a journal.Arrivals, born, now time.Time) {
	oldest := journal.HourOf(now) - trafficReach
	for hour, n := range a.Hours {
		if hour >= oldest {
			t.hours[hour%trafficRing].Add(uint32(n)) //nolint:gosec // of one hour
		}
	}
	if !a.Last.IsZero() {
		t.last.CompareAndSwap(0, a.Last.UnixNano())
	}
	t.known.Store(max(oldest, journal.HourOf(born)+1))
}

// latest is when the latest message came; zero = none is known.
func (t *traffic) latest() time.Time {
	if at := t.last.Load(); at != 0 {
		return time.Unix(0, at).UTC()
	}
	return time.Time{}
}

// missing is how many messages usually come in a time like the present silence,
// as far back as a day, and since when that lasts. ok is false while too little is
// known of the channel to say so.
func (t *traffic) missing(now time.Time) (n float64, since time.Time, ok bool) {
	since = time.Unix(0, t.from.Load()).UTC()
	known, last := t.known.Load(), journal.HourOf(now)
	if known == 0 || known > last-usualDays*hoursADay {
		return 0, since, false
	}
	from := since
	if yesterday := now.Add(-hoursADay * time.Hour); from.Before(yesterday) {
		from = yesterday
	}
	for hour := journal.HourOf(from); hour <= last; hour++ {
		begins := time.Unix(hour*3600, 0)
		a, b := begins, begins.Add(time.Hour)
		if a.Before(from) {
			a = from
		}
		if b.After(now) {
			b = now
		}
		if part := b.Sub(a); part == time.Hour {
			n += t.usual(hour, known)
		} else if part > 0 {
			// The hour in which people begin or stop is not evenly busy: its
			// neighbours say whether this is one.
			n += part.Hours() * min(t.usual(hour-1, known), t.usual(hour, known), t.usual(hour+1, known))
		}
	}
	return n, since, true
}

// usual is how many messages come in such an hour: as on most days, and not more
// than a week before. Of a day that may be a weekend's only the week before tells.
func (t *traffic) usual(hour, known int64) float64 {
	days := make([]uint32, 0, week)
	for before := hour - hoursADay; before >= known && len(days) < week; before -= hoursADay {
		days = append(days, t.hours[before%trafficRing].Load())
	}
	if len(days) < usualDays {
		return 0
	}
	weekAgo := days[len(days)-1]
	if len(days) < week {
		switch time.Unix(hour*3600, 0).UTC().Weekday() {
		case time.Friday, time.Saturday, time.Sunday:
			return 0
		default:
			weekAgo = slices.Max(days)
		}
	}
	slices.Sort(days)
	return float64(min(days[(len(days)-1)/2], weekAgo))
}

// traffics are the rings of all channels, by what their series are called: a channel
// that is changed has its earlier one's.
type traffics struct {
	mu  sync.Mutex
	all map[metricChannel]*traffic
}

// of gives a channel's ring, a new one if it has none.
func (t *traffics) of(c metricChannel) *traffic {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = make(map[metricChannel]*traffic)
	}
	if t.all[c] == nil {
		t.all[c] = newTraffic(time.Now())
	}
	return t.all[c]
}

// remove forgets a channel that is not configured any more.
func (t *traffics) remove(c metricChannel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, c)
}

// count gives a channel its series and its ring, those of the same name if there are.
func (g *Gateway) count(ch *channel) {
	c := metricChannel{ch.cfg.Name, ch.cfg.Network}
	ch.metrics, ch.traffic = g.metrics.add(c), g.traffic.of(c)
}

// discount ends the series and the ring of a channel that is gone.
func (g *Gateway) discount(ch *channel) {
	c := metricChannel{ch.cfg.Name, ch.cfg.Network}
	g.metrics.remove(c)
	g.traffic.remove(c)
	g.mends.remove(c)
}

// keepTraffic turns the rings on and fills new ones, until ctx ends.
func (g *Gateway) keepTraffic(ctx context.Context) {
	for ctx.Err() == nil {
		now, unfilled := time.Now(), false
		for _, ch := range g.now().ordered {
			ch.traffic.turn(now)
			unfilled = unfilled || ch.traffic.known.Load() == 0
			if !ch.cfg.Enabled || ch.starting.Load() || ch.limits.isHeld() && g.runnerOf(ch) != nil {
				ch.traffic.excuse(now)
			}
		}
		if unfilled {
			g.fillTraffic(ctx)
		}
		sleep(ctx, trafficEvery)
	}
}

// fillTraffic asks the journal what came for the channels that are new to this
// process, before they were.
func (g *Gateway) fillTraffic(ctx context.Context) {
	now := time.Now()
	until := now
	var rings []*traffic
	var names []string
	for _, ch := range g.now().ordered {
		if ch.traffic.known.Load() == 0 {
			rings, names = append(rings, ch.traffic), append(names, ch.cfg.Name)
			if ch.traffic.made.Before(until) {
				until = ch.traffic.made
			}
		}
	}
	arrivals, err := g.journal.Arrivals(ctx, journal.ArrivalsQuery{
		Since: now.Add(-trafficReach * time.Hour), Until: until, Except: noteIDs,
	})
	if err != nil {
		if ctx.Err() == nil {
			g.log.Warn("the journal does not tell how much usually comes; it is asked again", "error", err)
		}
		return
	}
	for i, t := range rings {
		t.load(arrivals[names[i]], g.journal.Born(), now)
	}
}

// examineTraffic tells whether a channel is as busy as usual.
func (ch *channel) examineTraffic(now time.Time) connectors.Check {
	c := connectors.Check{Name: connectors.CheckTraffic, State: connectors.CheckUnknown, Found: "the gateway does not know yet how busy the channel usually is"}
	missing, since, ok := ch.traffic.missing(now)
	switch {
	case !ok:
	case missing < silenceAt:
		c.State, c.Found = connectors.CheckOK, "as busy as usual at this time"
	default:
		c.State, c.Fault = connectors.CheckWarning, connectors.FaultSilent
		c.Found = fmt.Sprintf("nothing has come for %s; about %.0f messages are usual in such a time", now.Sub(since).Truncate(time.Minute), missing)
		c.Cure = "write to the account yourself: if that does not arrive either, compare what is set at the network with servicelink urls"
	}
	return c
}
