package simprot

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"
)

var (
	// ErrGone means that the session's connection has ended: whether the other
	// side handled what was sent is not known.
	ErrGone = errors.New("simprot: session gone")
	// ErrNoAnswer means that a question was asked as often as it may be and
	// stayed unanswered. The connection lives on.
	ErrNoAnswer = errors.New("simprot: no answer")
)

// Session is one logged-in connection of a Client. It never comes back: the
// client's next connection is another Session with a higher Generation.
type Session struct {
	cfg        *ClientConfig
	conn       *Conn
	welcome    Welcome
	generation uint64
	up         time.Time
	book       book

	places chan struct{} // questions that are out; a chan serves in order of arrival
	lists  chan struct{} // without Asks: the one question for a list that is out
	asking sync.Mutex    // questions enter the book in the order they are queued
}

// newSession wraps a connection that has not logged in yet.
func newSession(cfg *ClientConfig, conn *Conn) *Session {
	return &Session{
		cfg: cfg, conn: conn,
		places: make(chan struct{}, cfg.MaxQuestions),
		lists:  make(chan struct{}, 1),
		book: book{
			timeout: cfg.AskTimeout, observe: cfg.Observe,
			prefix: rand.Text()[:10] + "-",
			live:   map[string]*attempt{}, lines: map[lineKey]*line{}, partial: map[Code]listAnswer{},
		},
	}
}

// start makes a session of a connection that has logged in.
func (s *Session) start(generation uint64) {
	s.generation = generation
	s.up = time.Now()
	s.book.asks = s.welcome.Asks
	if s.cfg.Login {
		s.conn.alive.start(time.Duration(s.welcome.KeepAlive)*time.Second, s.cfg.PongTimeout)
	}
}

// Generation numbers the sessions of a client: 1, 2, ...
func (s *Session) Generation() uint64 { return s.generation }

// Welcome is what the core announced; the zero value without session control.
func (s *Session) Welcome() Welcome { return s.welcome }

// Done is closed when the connection has ended.
func (s *Session) Done() <-chan struct{} { return s.conn.Done() }

// Ping asks for a sign of life at once. No pong within PongTimeout aborts the
// session. Without session control it does nothing.
func (s *Session) Ping() { s.conn.alive.now() }

// Abort resets the connection; the client dials again.
func (s *Session) Abort(err error) { s.conn.Abort(err) }

// Send queues a packet that is no question; see Conn.Send. An empty Peer of
// payload is filled in, in place. Errors: ErrGone after the end of the
// session, ErrFrameTooLong, *EncodeError.
func (s *Session) Send(code Code, payload Payload, written func(time.Time)) error {
	if answers[code] != "" {
		return &EncodeError{Code: code, Err: errQuestion}
	}
	return s.send(Packet{Code: code, Payload: payload}, written)
}

// errQuestion guards the counting of answers.
var errQuestion = errors.New("is a question: use its method")

// send fills in the Peer and queues.
func (s *Session) send(p Packet, written func(time.Time)) error {
	fillPeer(p.Payload, s.cfg.Peer)
	if s.cfg.Trace != nil {
		p.Extras.TraceParent = s.cfg.Trace(p.Code, p.Payload)
	}
	err := s.conn.Send(p, written)
	if errors.Is(err, ErrClosed) {
		return s.gone()
	}
	return err
}

// gone is ErrGone with what ended the connection.
func (s *Session) gone() error {
	if err := s.conn.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	return ErrGone
}

// Err is why the session's connection has ended; nil while it lives. The other
// side's orderly end is a *ByeError.
func (s *Session) Err() error { return s.conn.Err() }

// fillPeer writes the gateway's address where none is.
func fillPeer(p Payload, peer string) {
	var at *string
	switch v := p.(type) {
	case *ChatSentenceInfo:
		at = &v.Peer
	case *ChatCommandInfo:
		at = &v.Peer
	case *ChatServiceInfo:
		at = &v.Peer
	case *ChatStatusInfo:
		at = &v.Peer
	case *LiteralLookupInfo:
		at = &v.Peer
	}
	if at != nil && *at == "" {
		*at = peer
	}
}

// Resync claims a Port for this connection, tells what it can show, if shows is not
// nil, and returns the core's list of its chats. On a core without fence it first waits until Settle has passed since
// this session began; a Port taken over later from another instance needs its
// own wait, which is the caller's.
//
// Errors of all questions: ErrGone, ErrNoAnswer, ctx's error, those of Send.
func (s *Session) Resync(ctx context.Context, port string, shows *PortManifest) (ChatStatusList, error) {
	if !s.welcome.Fences {
		if err := s.settle(ctx); err != nil {
			return nil, err
		}
	}
	return payload[ChatStatusList](s.ask(ctx, &question{
		code: CodeChatResync, times: 2, port: port,
		payload: &ChatCommandInfo{Port: port, Manifest: shows},
	}))
}

// Request asks whether a chat can start.
func (s *Session) Request(ctx context.Context, info *ChatServiceInfo) (*ChatServiceInfo, error) {
	return payload[*ChatServiceInfo](s.ask(ctx, &question{
		code: CodeChatRequest, times: 2,
		port: info.Port, about: info.TrackingId, payload: info,
	}))
}

// Start opens a chat, or finds the open one. It is not asked again by itself:
// after ErrNoAnswer the caller asks Status before it starts again.
func (s *Session) Start(ctx context.Context, info *ChatServiceInfo) (*ChatStatusInfo, error) {
	return payload[*ChatStatusInfo](s.ask(ctx, &question{
		code: CodeChatStart, times: 1,
		port: info.Port, about: info.TrackingId, payload: info,
	}))
}

// Status asks for a conversation's state and sentences.
func (s *Session) Status(ctx context.Context, info *ChatStatusInfo) (*ChatStatusInfo, error) {
	return payload[*ChatStatusInfo](s.ask(ctx, &question{
		code: CodeChatStatusAsk, times: 2,
		port: info.Port, about: info.TrackingId, payload: info,
	}))
}

// payload gives an answer's payload its type; the book has matched its code.
func payload[T Payload](answer Payload, err error) (T, error) {
	typed, _ := answer.(T)
	return typed, err
}
