package gateway

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"math"
	"slices"
	"sync"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
)

// The journal knows when a message was taken, what its parts came to and how it
// ended. What happens in between is kept here, for traces alone: the newest steps
// of all messages in a ring of fixed size, and of each message in a lane the last
// one, so that it can always be told what it waits for. No step holds content.

const (
	stepsHeld  = 1 << 16 // steps in memory, 48 bytes each
	stepShards = 16      // so that lanes do not wait for each other
)

// stepKind is what can happen to a message.
type stepKind uint8

const (
	stepReceived   stepKind = iota + 1 // in: it came from the network
	stepFromCore                       // out: it came from the core
	stepFromAnswer                     // out: an answer of the core showed it
	stepHanded                         // into its lane, at the head
	stepBehind                         // into its lane, behind others
	stepLoaded                         // into its lane, from the journal
	stepTurn                           // the head of its lane now

	stepCore       // in: waits for the link and its Port's RESYNC
	stepDoubt      // in: STATUS is asked whether the core has it
	stepRequest    // in: REQUEST and STATUS are asked whether a chat can begin
	stepStart      // in: START is asked
	stepClosed     // in: waits while the core takes no chats
	stepWindow     // in: waits for a place among the unanswered sentences
	stepAlone      // in: waits to be sent alone, or while another is
	stepWritten    // in: written to the core's link
	stepEchoed     // in: the core echoed it
	stepShown      // in: an answer of the core showed it
	stepNoEcho     // in: no echo in time
	stepLinkLost   // in: the connection broke before the echo
	stepChatClosed // in: the core closed the chat before the echo
	stepParked     // in: the core does not answer for the conversation
	stepSuspect    // in: it may be what breaks the connection

	stepFreed    // out: its place in the core's order is proved
	stepPaused   // out: waits for the end of a pause
	stepPatience // out: the network wants no sends before a time
	stepBucket   // out: waits for its turn in the rate
	stepAttempt  // out: the request leaves
	stepSent     // out: the network took it
	stepFailed   // out: it did not, or nobody knows
	stepAsksFate // out: the network is asked what became of it
	// In the order of the connectors' fates.
	stepNobodyKnows // out: nobody can tell
	stepWasSent     // out: the network says that it has it
	stepWasNotSent  // out: that it has not
	stepHasFailed   // out: that it gave it up
	stepBackOff     // out: waits before the next attempt
	stepEnding      // out: its end goes into the journal
	stepConfirmed   // out: the core was told that the customer has it
	stepUntold      // out: the core is away and cannot be told

	stepMessageRoom // in, a message: waits for room among the unanswered
	stepToldCore    // in, a message: written to the core's link
	stepTaken       // in, a message: the core has it
	stepNoAnswer    // in, a message: no answer for long
	stepCoreRefuses // in, a message: the core does not take it now
)

// stepRecord is one step. It holds no pointer, so that the garbage collector
// need not look through the rings.
type stepRecord struct {
	key    uint64
	at     int64    // Unix nanoseconds, as is until
	until  int64    // what it waits for comes then; 0 = nobody knows
	code   [14]byte // the network's own, as much of it as fits
	reason stepReason
	part   uint8 // from 1; 255 = that or a later one
	result connectors.Outcome
	kind   stepKind
}

// stepReason is the place of a send's Reason in the closed list, from 1; 0 = none.
type stepReason uint8

func numberOf(r connectors.Reason) stepReason {
	return stepReason(slices.Index(connectors.SendReasons, r) + 1) //nolint:gosec // the list is short
}

func (n stepReason) reason() connectors.Reason {
	if n == 0 {
		return ""
	}
	return connectors.SendReasons[n-1]
}

// steps holds the newest steps.
type steps struct {
	seed   maphash.Seed
	began  time.Time
	shards [stepShards]stepShard
}

type stepShard struct {
	mu   sync.Mutex
	ring []stepRecord // grows to its share, then the oldest is written over
	next int
	lost int64 // when the newest step was that is gone; 0 = none is
	_    [64]byte
}

func newSteps() *steps { return &steps{seed: maphash.MakeSeed(), began: time.Now()} }

// keyOf names a message before and after it has a place in the journal.
func (s *steps) keyOf(e *journal.Entry) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	_, _ = h.WriteString(e.Lane.Channel)
	_ = h.WriteByte(byte(e.Lane.Direction))
	_, _ = h.WriteString(e.Lane.TrackingID)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(e.ID)
	var hash [8]byte
	binary.LittleEndian.PutUint64(hash[:], e.TextHash)
	_, _ = h.Write(hash[:])
	return h.Sum64()
}

// add keeps a step. last, if there is one, is the message's last step.
func (s *steps) add(r *stepRecord, last *stepRecord) {
	sh := &s.shards[r.key%stepShards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if last != nil {
		if r.goesOn(last) {
			return
		}
		*last = *r
	}
	if len(sh.ring) < stepsHeld/stepShards {
		sh.ring = append(sh.ring, *r)
		return
	}
	sh.lost = sh.ring[sh.next].at
	sh.ring[sh.next] = *r
	sh.next = (sh.next + 1) % len(sh.ring)
}

// goesOn: it says no more than the last one. While the core is closed each look
// at it would be a step.
func (r *stepRecord) goesOn(last *stepRecord) bool {
	switch r.kind {
	case stepRequest:
		return last.kind == stepClosed
	case stepCore, stepClosed, stepPaused:
		return last.kind == r.kind && last.reason == r.reason
	default:
		return false
	}
}

// of gives what is held of a message, oldest first. lost is when the newest step
// was that may be missing; zero = none is.
func (s *steps) of(key uint64) (list []stepRecord, lost time.Time) {
	sh := &s.shards[key%stepShards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for i := range sh.ring {
		if r := &sh.ring[(sh.next+i)%len(sh.ring)]; r.key == key {
			list = append(list, *r)
		}
	}
	if sh.lost != 0 {
		lost = time.Unix(0, sh.lost)
	}
	return list, lost
}

// since is from when on nothing is missing.
func (s *steps) since() time.Time {
	since := s.began
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		if lost := time.Unix(0, sh.lost); sh.lost != 0 && lost.After(since) {
			since = lost
		}
		sh.mu.Unlock()
	}
	return since
}

// tell notes a step of messages that are in no lane.
func (s *steps) tell(kind stepKind, entries ...journal.Entry) {
	now := time.Now().UnixNano()
	for i := range entries {
		s.add(&stepRecord{key: s.keyOf(&entries[i]), at: now, kind: kind}, nil)
	}
}

// received notes that a network brought events, before the journal has them.
func (s *steps) received(ctx context.Context, entries []journal.Entry) {
	at := receivedAt(ctx).UnixNano()
	for i := range entries {
		s.add(&stepRecord{key: s.keyOf(&entries[i]), at: at, kind: stepReceived}, nil)
	}
}

// receivedKey is where a context tells when the call was received whose events
// are delivered.
type receivedKey struct{}

// receivedAt is when the call was received, now if there was none.
func receivedAt(ctx context.Context) time.Time {
	if at, ok := ctx.Value(receivedKey{}).(*time.Time); ok {
		return *at
	}
	return time.Now()
}

// enter gives a row in a lane its steps. Gateways that tests make in part have
// none.
func (h *held) enter(s *steps, kind stepKind) {
	if s == nil {
		return
	}
	h.steps, h.key = s, s.keyOf(&h.Entry)
	h.step(kind)
}

// entered is how a row came into a lane that holds n rows now.
func entered(row *journal.Row, n int) stepKind {
	switch {
	case row.Loaded:
		return stepLoaded
	case n > 1:
		return stepBehind
	default:
		return stepHanded
	}
}

// turn notes that the row is worked on, if it had to wait for that.
func (h *held) turn() {
	last := h.lastStep()
	h.stepIf(last.kind == stepBehind || time.Since(time.Unix(0, last.at)) > time.Millisecond, stepTurn)
}

// stepIf is step, if that is so.
func (h *held) stepIf(so bool, kind stepKind) {
	if so {
		h.step(kind)
	}
}

// step notes that something happened to the row.
func (h *held) step(kind stepKind) { h.note(stepRecord{kind: kind}) }

// waits notes a step whose end is known, and its reason.
func (h *held) waits(kind stepKind, d time.Duration, why connectors.Reason) {
	h.note(stepRecord{kind: kind, until: time.Now().Add(d).UnixNano(), reason: numberOf(why)})
}

// note keeps a step, unless it is none. Rows that tests make have no steps.
func (h *held) note(r stepRecord) {
	if h == nil || h.steps == nil || r.kind == 0 {
		return
	}
	r.key, r.at = h.key, time.Now().UnixNano()
	h.steps.add(&r, &h.last)
}

// lastStep is the row's newest step.
func (h *held) lastStep() stepRecord {
	if h == nil || h.steps == nil {
		return stepRecord{}
	}
	sh := &h.steps.shards[h.key%stepShards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return h.last
}

// attempts notes that a part's request leaves.
func (h *held) attempts(i int) { h.note(stepRecord{kind: stepAttempt, part: partNumber(i)}) }

// outcome notes what became of a part's request.
func (h *held) outcome(i int, err error) {
	r := stepRecord{kind: stepSent, part: partNumber(i)}
	if err != nil {
		se := connectors.AsSendError(err)
		r.kind, r.result, r.reason = stepFailed, se.Outcome, numberOf(se.Reason)
		copy(r.code[:], se.Code)
	}
	h.note(r)
}

// asksFate notes that the network is asked what became of a part.
func (h *held) asksFate(i int) { h.note(stepRecord{kind: stepAsksFate, part: partNumber(i)}) }

// fate notes what it said.
func (h *held) fate(i int, f connectors.Finding) {
	h.note(stepRecord{kind: stepNobodyKnows + stepKind(f.Fate), part: partNumber(i)})
}

func partNumber(i int) uint8 { return uint8(min(i+1, math.MaxUint8)) } //nolint:gosec // bounded

// confirms notes that the core is told that the customer has the row, or that it
// cannot be told now.
func (h *held) confirms(c *conversation) {
	if c.ch.port.current() == nil {
		h.step(stepUntold)
		return
	}
	h.step(stepConfirmed)
}
