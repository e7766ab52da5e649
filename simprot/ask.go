package simprot

import (
	"context"
	"time"
)

// question is what is asked, once or again.
type question struct {
	code        Code
	times       int // it may be asked
	port, about string
	payload     Payload
	queued      time.Time
}

// settle waits until what an earlier connection left on its way has been read
// by a core that keeps no fence.
func (s *Session) settle(ctx context.Context) error {
	rest := s.cfg.Settle - time.Since(s.up)
	if rest <= 0 {
		return nil
	}
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.Done():
		return s.gone()
	}
}

// ask waits for a place, asks, and asks again while q may be.
func (s *Session) ask(ctx context.Context, q *question) (Payload, error) {
	free, err := s.takePlace(ctx, q)
	if err != nil {
		return nil, err
	}
	q.queued = time.Now()
	for n := 1; ; n++ {
		a, err := s.put(q)
		if err != nil {
			free()
			return nil, err
		}
		switch outcome := s.await(ctx, a, free); outcome {
		case "":
			return nil, context.Cause(ctx)
		case QuestionNoAnswer:
			if n < q.times {
				s.observe(q, QuestionRepeated)
				continue
			}
			s.observe(q, outcome)
			free()
			return nil, ErrNoAnswer
		default:
			s.observe(q, outcome)
			free()
			if outcome == QuestionGone {
				return nil, s.gone()
			}
			return a.payload, nil
		}
	}
}

// await returns how an attempt ended, "" when the caller's ctx ended first:
// the attempt is then left to the book, which calls free.
func (s *Session) await(ctx context.Context, a *attempt, free func()) string {
	select {
	case <-a.done:
	case <-s.Done():
		s.book.close()
	case <-ctx.Done():
		if s.book.abandon(a, free) {
			return ""
		}
	}
	return a.outcome
}

// put enters an attempt in the book and queues its frame.
func (s *Session) put(q *question) (*attempt, error) {
	a := &attempt{question: q.code, answer: answers[q.code], port: q.port, about: q.about, asked: q.queued}
	s.asking.Lock()
	defer s.asking.Unlock()
	if !s.book.open(a) {
		return nil, s.gone()
	}
	p := Packet{Code: q.code, Payload: q.payload, Extras: Extras{Ask: a.token}}
	if err := s.send(p, func(time.Time) { s.book.written(a) }); err != nil {
		s.book.cancel(a)
		return nil, err
	}
	return a, nil
}

// takePlace waits for one of MaxQuestions places and, without Asks, for the
// turn of a list: an empty one does not say what it is of. The turn comes
// first, so that waiting lists take no places. The list of message gateways has
// a name of its own, and no turn: a core that has none must not hold up RESYNC.
func (s *Session) takePlace(ctx context.Context, q *question) (free func(), err error) {
	inTurn := isList(answers[q.code]) && q.code != CodeGatewaysAsk && !s.welcome.Asks
	if inTurn {
		if err := s.enter(ctx, s.lists); err != nil {
			return nil, err
		}
	}
	if err := s.enter(ctx, s.places); err != nil {
		if inTurn {
			<-s.lists
		}
		return nil, err
	}
	return func() {
		<-s.places
		if inTurn {
			<-s.lists
		}
	}, nil
}

// enter waits for room in a channel that counts.
func (s *Session) enter(ctx context.Context, room chan struct{}) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	select {
	case room <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.Done():
		return s.gone()
	}
}

func (s *Session) observe(q *question, outcome string) {
	s.cfg.Observe.Question(q.code, outcome, time.Since(q.queued))
}
