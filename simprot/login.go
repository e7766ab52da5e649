package simprot

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"
)

// loginTimeout bounds TLS handshake and login together.
const loginTimeout = 10 * time.Second

// The reasons of SP_REFUSED and SP_BYE.
const (
	RefusedCredentials = "credentials" // account or secret
	RefusedVersion     = "version"     // of the protocol
	RefusedPeer        = "peer"        // unknown, or not this account's
	RefusedBusy        = "busy"        // later, perhaps

	ByeReplaced = "replaced" // the same Peer and Instance has logged in again
	ByeRestart  = "restart"
	ByeShutdown = "shutdown"
)

// maxReason is how much of the other side's reason is kept, in characters.
const maxReason = 64

// RefusedError is the core's SP_REFUSED.
type RefusedError struct {
	Reason string // credentials, version, peer, busy; at most 64 characters
}

func (e *RefusedError) Error() string { return fmt.Sprintf("simprot: login refused: %q", e.Reason) }

// ByeError is the other side's SP_BYE: an orderly end.
type ByeError struct {
	Reason     string        // replaced, restart, shutdown; at most 64 characters
	RetryAfter time.Duration // 0 = not told
}

func (e *ByeError) Error() string { return fmt.Sprintf("simprot: the other side left: %q", e.Reason) }

// byeError reads an SP_BYE.
func byeError(b *Bye) *ByeError {
	ms := min(max(b.RetryAfterMs, 0), maxRetryAfter.Milliseconds())
	return &ByeError{Reason: Truncate(b.Reason, maxReason), RetryAfter: time.Duration(ms) * time.Millisecond}
}

// SecretEqual compares two secrets in a time that tells nothing about them,
// not even their lengths.
func SecretEqual(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// errLoggedIn stops the reading of a login.
var errLoggedIn = errors.New("simprot: logged in")

// errNoWelcome is the login's time-out.
var errNoWelcome = fmt.Errorf("simprot: no SP_WELCOME within %v: is the other side a core with session control?", loginTimeout)

// unexpectedError is a packet that has no place before the login's end.
func unexpectedError(code Code) error {
	return fmt.Errorf("simprot: %s before the end of the login", code)
}

// clientLogin waits for the answer to SP_LOGIN.
type clientLogin struct {
	session *Session
	welcome Welcome
}

func (l *clientLogin) packet(p Packet, _ int) error {
	switch v := p.Payload.(type) {
	case *Welcome:
		if v.Version != 0 && v.Version != Version {
			return &RefusedError{Reason: RefusedVersion}
		}
		l.welcome = *v
		return errLoggedIn
	case *Refused:
		return &RefusedError{Reason: Truncate(v.Reason, maxReason)}
	case *Bye:
		return byeError(v)
	default:
		return unexpectedError(p.Code)
	}
}

func (l *clientLogin) bad(err error) { l.session.bad(err) }

// login sends SP_LOGIN and waits for the core's word.
func (s *Session) login() error {
	err := s.conn.Send(Packet{Code: CodeLogin, Payload: &Login{
		Account: s.cfg.Account, Secret: s.cfg.Secret, Peer: s.cfg.Peer, Instance: s.cfg.Instance,
		Version: Version, Encoding: s.cfg.Encoding.String(), MaxFrame: int64(s.cfg.MaxFrame),
	}}, nil)
	if err != nil {
		return err
	}
	answer := &clientLogin{session: s}
	if err := s.conn.readLogin(answer, loginTimeout); err != nil {
		return err
	}
	s.welcome = answer.welcome
	s.conn.setMaxFrame(s.welcome.MaxFrame)
	return nil
}

// readLogin reads until r says errLoggedIn, for which it returns nil. Nothing
// large is read from the other side before that.
func (c *Conn) readLogin(r receiver, within time.Duration) error {
	if err := c.nc.SetReadDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	limit := c.frames.max
	c.frames.max = min(limit, maxLoginFrame)
	if err := c.read(r); !errors.Is(err, errLoggedIn) {
		return err
	}
	c.frames.max = limit
	return c.nc.SetReadDeadline(time.Time{})
}

// maxLoginFrame is the largest body in bytes that is read before the login.
const maxLoginFrame = 64 << 10

// isTimeout tells a passed deadline from a broken connection.
func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}
