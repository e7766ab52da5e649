package mail

import (
	"errors"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-sasl"
)

// newIMAP makes the server behind the filter, which sees to TLS.
func newIMAP(s *Server) *imapserver.Server {
	caps := imap.CapSet{}
	for _, c := range []imap.Cap{
		imap.CapIMAP4rev1, imap.CapIMAP4rev2, imap.CapUIDPlus, imap.CapMove, imap.CapNamespace, imap.CapESearch,
		imap.CapListExtended, imap.CapListStatus, imap.CapStatusSize, imap.CapSpecialUse,
	} {
		if !slices.Contains(s.o.Without, string(c)) {
			caps[c] = struct{}{}
		}
	}
	return imapserver.New(&imapserver.Options{
		NewSession: func(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &imapSession{server: s, front: frontOf[*imapFront](c.NetConn())}, nil, nil
		},
		Caps: caps, Logger: quiet{}, InsecureAuth: true,
	})
}

// imapSession is the library's, with our users. What changes a mailbox is told.
type imapSession struct {
	*imapmemserver.UserSession // nil before login
	server                     *Server
	front                      *imapFront // nil for the host's own use
	box                        *mailbox
}

var (
	_ imapserver.SessionIMAP4rev2 = (*imapSession)(nil)
	_ imapserver.SessionSASL      = (*imapSession)(nil)
)

func (is *imapSession) enter(box *mailbox) {
	is.UserSession, is.box = imapmemserver.NewUserSession(box.user), box
	if is.front != nil {
		is.front.login(box.address)
	}
}

func (is *imapSession) Login(user, password string) error {
	box, err := is.server.box(user)
	if err != nil || is.front != nil && !box.hasPassword(password) {
		return imapserver.ErrAuthFailed
	}
	is.enter(box)
	return nil
}

func (is *imapSession) AuthenticateMechanisms() []string { return mechanisms }

func (is *imapSession) Authenticate(mech string) (sasl.Server, error) {
	server := is.server.sasl(mech, is.enter)
	if server == nil {
		return nil, &imap.Error{Type: imap.StatusResponseTypeNo, Text: "SASL mechanism not supported"}
	}
	return saslIMAP{server}, nil
}

// saslIMAP gives a refusal IMAP's form.
type saslIMAP struct{ sasl.Server }

func (s saslIMAP) Next(response []byte) ([]byte, bool, error) {
	challenge, done, err := s.Server.Next(response)
	if errors.Is(err, errRefused) {
		err = imapserver.ErrAuthFailed
	}
	return challenge, done, err
}

func (is *imapSession) Append(folder string, r imap.LiteralReader, o *imap.AppendOptions) (*imap.AppendData, error) {
	defer is.box.bump()
	return is.UserSession.Append(folder, r, o)
}

func (is *imapSession) Create(folder string, o *imap.CreateOptions) error {
	defer is.box.bump()
	return is.UserSession.Create(folder, o)
}

func (is *imapSession) Store(w *imapserver.FetchWriter, set imap.NumSet, flags *imap.StoreFlags, o *imap.StoreOptions) error {
	defer is.box.bump()
	return is.UserSession.Store(w, set, flags, o)
}

func (is *imapSession) Expunge(w *imapserver.ExpungeWriter, uids *imap.UIDSet) error {
	defer is.box.bump()
	return is.UserSession.Expunge(w, uids)
}

func (is *imapSession) Copy(set imap.NumSet, dest string) (*imap.CopyData, error) {
	defer is.box.bump()
	return is.UserSession.Copy(set, dest)
}

func (is *imapSession) Move(w *imapserver.MoveWriter, set imap.NumSet, dest string) error {
	defer is.box.bump()
	return is.UserSession.Move(w, set, dest)
}
