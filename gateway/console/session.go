package console

import (
	"crypto/rand"
	"crypto/subtle"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	cookieStem = "servicelink_console"
	// sessionLife is how long a login is good, whatever is done with it.
	sessionLife = 12 * time.Hour
	// maxSessions bounds the memory; the oldest ends for one more.
	maxSessions = 1000
)

// cookieName is a name of its own for each port: cookies do not tell ports apart,
// and an operator may look at two gateways, each by a tunnel.
func cookieName(r *http.Request) string {
	_, port, err := net.SplitHostPort(r.Host)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
		return cookieStem
	}
	return cookieStem + "_" + port
}

// session is a browser that may see the pages. Its ID is known to the browser
// alone; the token for forms is another secret, which pages hold.
type session struct {
	id, token string
	ends      time.Time

	mu   sync.Mutex
	said []string // results of actions that no page has shown yet
}

// say keeps a result for the next page.
func (s *session) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, text)
}

// hear takes what was said.
func (s *session) hear() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	said := s.said
	s.said = nil
	return said
}

// proves reports whether a form was made for this session.
func (s *session) proves(token string) bool {
	return subtle.ConstantTimeCompare([]byte(s.token), []byte(token)) == 1
}

// sessions are those that have not ended. They die with the process.
type sessions struct {
	mu  sync.Mutex
	all map[string]*session
}

// begin makes a session and forgets those that have ended.
func (s *sessions) begin() *session {
	now := time.Now()
	it := &session{id: rand.Text(), token: rand.Text(), ends: now.Add(sessionLife)}
	s.mu.Lock()
	defer s.mu.Unlock()
	var oldest *session
	for id, other := range s.all {
		if !now.Before(other.ends) {
			delete(s.all, id)
		} else if oldest == nil || other.ends.Before(oldest.ends) {
			oldest = other
		}
	}
	if len(s.all) >= maxSessions {
		delete(s.all, oldest.id)
	}
	if s.all == nil {
		s.all = make(map[string]*session)
	}
	s.all[it.id] = it
	return it
}

// of finds the session of a request; nil = it has none, or it has ended.
func (s *sessions) of(r *http.Request) *session {
	cookie, err := r.Cookie(cookieName(r))
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.all[cookie.Value]
	if it == nil || !time.Now().Before(it.ends) {
		return nil
	}
	return it
}

func (s *sessions) end(it *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, it.id)
}

// give has the browser keep a session; nil takes it away. The cookie goes back
// over TLS alone if the page came over TLS, which a proxy may have ended: then
// the browser's own word for the page's origin tells.
func give(w http.ResponseWriter, r *http.Request, it *session) {
	c := &http.Cookie{ //nolint:gosec // Secure follows the connection: a tunnel to loopback has no TLS
		Name: cookieName(r), Path: Path, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: -1,
		Secure: r.TLS != nil || overTLS(r.Header.Get("Origin")),
	}
	if it != nil {
		c.Value, c.MaxAge = it.id, int(time.Until(it.ends).Seconds())
	}
	http.SetCookie(w, c)
}
