package mail

import (
	"errors"
	"strings"

	"github.com/emersion/go-sasl"
)

// errRefused is a password or token that is wrong.
var errRefused = errors.New("authentication failed")

// sasl is the server's side of a mechanism; nil for one it does not have. entered is
// told who has come in.
func (s *Server) sasl(mech string, entered func(*mailbox)) sasl.Server {
	check := func(user, secret string, ok func(*mailbox, string) bool) error {
		box, err := s.box(user)
		if err != nil || !ok(box, secret) {
			return errRefused
		}
		entered(box)
		return nil
	}
	switch mech {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error {
			return check(user, password, (*mailbox).hasPassword)
		})
	case sasl.Login:
		return &loginServer{check: func(user, password string) error {
			return check(user, password, (*mailbox).hasPassword)
		}}
	case "XOAUTH2":
		return &xoauth2Server{check: func(user, token string) error {
			return check(user, token, (*mailbox).hasToken)
		}}
	}
	return nil
}

// loginServer is AUTH LOGIN: it asks for the user, then for the password.
type loginServer struct {
	check func(user, password string) error
	asked int
	user  string
}

func (l *loginServer) Next(response []byte) ([]byte, bool, error) {
	if l.asked == 0 && response != nil { // the user came with the command
		l.asked++
	}
	l.asked++
	switch l.asked {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}

// xoauth2Server is XOAUTH2: one response, and on refusal one challenge with an error
// that the client answers with nothing.
type xoauth2Server struct {
	check   func(user, token string) error
	started bool
	refused bool
}

func (x *xoauth2Server) Next(response []byte) ([]byte, bool, error) {
	if response == nil && !x.started {
		x.started = true
		return []byte{}, false, nil
	}
	x.started = true
	if x.refused {
		return nil, false, errRefused
	}
	var user, token string
	for field := range strings.SplitSeq(string(response), "\x01") {
		if v, ok := strings.CutPrefix(field, "user="); ok {
			user = v
		}
		if v, ok := strings.CutPrefix(field, "auth=Bearer "); ok {
			token = v
		}
	}
	if x.refused = x.check(user, token) != nil; x.refused {
		return []byte(`{"status":"400","schemes":"bearer","scope":"https://mail.test/"}`), false, nil
	}
	return nil, true, nil
}
