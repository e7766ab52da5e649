package email

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"servicelink/connectors"
)

// What may be delivered and not settled.
const (
	maxWaiting      = 256
	maxWaitingBytes = 16 << 20 // of bodies
)

// The rest after the engine or the disk could not take a mail, doubled each time.
const minRest, maxRest = time.Second, 15 * time.Second

// ailments say when a mail that could not be fetched is tried again: soon, as most
// often the connection was to blame, and then so that it does not disturb.
var ailments = []time.Duration{0, 5 * time.Minute, time.Hour}

// intake takes mails from a mailbox to the engine and knows where each that is not
// settled lies. P is a place in the mailbox. It outlives a Run; mails of several
// places may be the same event.
type intake[P comparable] struct {
	parser  *parser
	files   connectors.FileKeeper
	log     *slog.Logger
	maxSize int64

	mu      sync.Mutex
	taken   map[P]*held // fetched, delivered or ended, and not yet marked
	waiting map[connectors.EventKey][]P
	bytes   int64 // of what is taken and has not ended
	count   int   // the same, in mails
	ended   map[P]connectors.Settlement
	ailing  map[P]ailment
	// news has an element when something was settled.
	news chan struct{}
}

// held is what a mail takes of the room.
type held struct {
	bytes int64
	ended bool
}

// ailment is of a mail that could not be fetched.
type ailment struct {
	times int
	until time.Time
}

// arrived is a mail that was read.
type arrived[P comparable] struct {
	place P
	event connectors.Event
}

func newIntake[P comparable](s mailSettings, deps connectors.Dependencies) *intake[P] {
	return &intake[P]{
		parser: parserOf(s, deps), files: deps.Files, log: deps.Log, maxSize: int64(s.MaxSize),
		taken: map[P]*held{}, waiting: map[connectors.EventKey][]P{}, ended: map[P]connectors.Settlement{}, ailing: map[P]ailment{},
		news: make(chan struct{}, 1),
	}
}

// wanted tells whether the mail at p is to be fetched now, and how often that failed.
func (k *intake[P]) wanted(p P) (wanted bool, failures int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	ill := k.ailing[p]
	return k.taken[p] == nil && !time.Now().Before(ill.until), ill.times
}

// take makes room for a mail of size bytes; false = there is none until something is
// settled. What it is taken for is given back by release, or ends with settled.
func (k *intake[P]) take(p P, size int64) bool {
	bytes := min(2*size, 2*connectors.MaxBody)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.taken[p] != nil || k.count >= maxWaiting || k.bytes+bytes > maxWaitingBytes {
		return false
	}
	k.taken[p] = &held{bytes: bytes}
	k.count++
	k.bytes += bytes
	return true
}

// release gives up places that were taken and will not be delivered now.
func (k *intake[P]) release(places ...P) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range places {
		k.drop(p)
	}
}

// drop forgets a place, but what has ended. Hold mu.
func (k *intake[P]) drop(p P) {
	if h := k.taken[p]; h != nil && !h.ended {
		k.count--
		k.bytes -= h.bytes
		delete(k.taken, p)
	}
}

// failed notes that a mail could not be fetched; the others go on.
func (k *intake[P]) failed(p P, why error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(p)
	ill := k.ailing[p]
	wait := ailments[min(ill.times, len(ailments)-1)]
	ill.times++
	ill.until = time.Now().Add(wait)
	k.ailing[p] = ill
	if ill.times > 1 {
		k.log.Warn("a mail cannot be fetched: it stays in the mailbox and is tried again", "error", why, "tries", ill.times, "again_in", wait)
	}
}

// read keeps a mail and makes its event. whole is false for one of which there is but
// the header, as it is size bytes long; received is when the mailbox got it, zero =
// not known. The error is that of r, of the disk or of ctx.
func (k *intake[P]) read(ctx context.Context, r io.Reader, received time.Time, whole bool, size int64) (connectors.Event, error) {
	kept, err := k.keep(ctx, r)
	if err != nil {
		return connectors.Event{}, err
	}
	defer kept.remove()
	raw, err := kept.open()
	if err != nil {
		return connectors.Event{}, fmt.Errorf("opening a mail that was kept: %w", err)
	}
	defer func() { _ = raw.Close() }() // it was only read
	if whole {
		return k.parser.parse(ctx, incoming{Raw: raw, Received: received, Original: kept.file})
	}
	event, err := k.parser.parse(ctx, incoming{Raw: raw, Received: received})
	if err != nil {
		return event, err
	}
	m := event.Message
	m.Problem = fmt.Sprintf("The message is too large to be fetched: %s, and at most %s are taken. Only its header was read.",
		sizeText(size), sizeText(k.maxSize))
	m.Text, m.HTML, m.Files = m.Problem, "", nil
	return event, nil
}

// sizeText writes a size for people.
func sizeText(n int64) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", (n+1023)>>10)
}

// deliver gives mails to the engine, in their order. On an error all of them are
// free again.
func (k *intake[P]) deliver(ctx context.Context, in connectors.Inbox, mails []arrived[P]) error {
	if len(mails) == 0 {
		return nil
	}
	events := make([]connectors.Event, len(mails))
	k.mu.Lock()
	for i, m := range mails {
		events[i] = m.event
		key := keyOf(m.event)
		k.waiting[key] = append(k.waiting[key], m.place)
		delete(k.ailing, m.place)
		if h := k.taken[m.place]; h != nil {
			bytes := weight(m.event)
			k.bytes += bytes - h.bytes
			h.bytes = bytes
		}
	}
	k.mu.Unlock()
	err := in.Deliver(ctx, events)
	if err == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range mails {
		k.forgetPlace(keyOf(m.event), m.place)
	}
	return fmt.Errorf("delivering mails: %w", err)
}

// forgetPlace undoes what deliver noted, where it has not ended meanwhile. Hold mu.
func (k *intake[P]) forgetPlace(key connectors.EventKey, place P) {
	var others []P
	for _, p := range k.waiting[key] {
		if p != place {
			others = append(others, p)
		}
	}
	if k.waiting[key] = others; len(others) == 0 {
		delete(k.waiting, key)
	}
	k.drop(place)
}

func keyOf(e connectors.Event) connectors.EventKey {
	return connectors.EventKey{TrackingID: e.TrackingID, ID: e.ID}
}

// weight is what an event takes of maxWaitingBytes.
func weight(e connectors.Event) int64 {
	return int64(len(e.Message.Text) + len(e.Message.HTML))
}

// Settled implements connectors.Settler for the devices.
func (k *intake[P]) Settled(event connectors.EventKey, end connectors.Settlement) {
	k.mu.Lock()
	defer k.mu.Unlock()
	places, known := k.waiting[event]
	if !known {
		return // an earlier process delivered it: it comes again when the mailbox is listed
	}
	delete(k.waiting, event)
	for _, p := range places {
		if h := k.taken[p]; h != nil && !h.ended {
			h.ended = true
			k.count--
			k.bytes -= h.bytes
			k.ended[p] = end
		}
	}
	select {
	case k.news <- struct{}{}:
	default:
	}
}

// unmarked lists what has ended and is not marked at the source.
func (k *intake[P]) unmarked() (done, failed []P) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for p, end := range k.ended {
		if end == connectors.SettledFailed {
			failed = append(failed, p)
		} else {
			done = append(done, p)
		}
	}
	return done, failed
}

// underWay is how many mails are taken and have not ended.
func (k *intake[P]) underWay() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.count
}

// marked forgets what is marked at the source.
func (k *intake[P]) marked(places []P) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range places {
		delete(k.ended, p)
		delete(k.taken, p)
	}
}

// present drops the marks of what is not in the mailbox any more: they were set, and
// the answer was lost. there is all that lies in it.
func (k *intake[P]) present(there map[P]bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for p := range k.ended {
		if !there[p] {
			delete(k.ended, p)
			delete(k.taken, p)
		}
	}
	for p := range k.ailing {
		if !there[p] {
			delete(k.ailing, p)
		}
	}
}

// forget drops every place of which keep says no: those that mean nothing any more.
func (k *intake[P]) forget(keep func(P) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for key, places := range k.waiting {
		for _, p := range places {
			if !keep(p) {
				k.forgetPlace(key, p)
			}
		}
	}
	for p := range k.taken {
		if !keep(p) {
			k.drop(p)
			delete(k.taken, p)
			delete(k.ended, p)
		}
	}
	for p := range k.ailing {
		if !keep(p) {
			delete(k.ailing, p)
		}
	}
}

// rest is how long to wait after a failure of the engine's or the disk's.
type rest struct{ last time.Duration }

func (r *rest) note(err error) {
	if err == nil {
		r.last = 0
		return
	}
	r.last = min(max(2*r.last, minRest), maxRest)
}

// unavailable tells whether an error is of the engine or of the disk, so that it
// concerns every mail alike.
func unavailable(err error) bool { return errors.Is(err, connectors.ErrUnavailable) }

// pause waits for d, or until ctx ends; the error is then that the gateway stops.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return stopped()
	}
}

func stopped() error { return failed(connectors.ReasonCanceled, "stopped by the gateway", "") }
