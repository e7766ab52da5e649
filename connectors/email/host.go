package email

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"servicelink/config"
	"servicelink/connectors"
)

// keepAlive finds a server that is gone while nobody says anything (IDLE).
const keepAlive = 30 * time.Second

// host is a mail server and who we are there.
type host struct {
	name     string
	address  string // name:port
	security string
	user     string
	password config.Secret
	tokens   *tokens // nil: by password
	timeout  time.Duration
	tls      *tls.Config
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
}

// ports are the usual ones of a protocol.
type ports struct{ implicit, plain uint16 }

// newHost makes the host of checked settings; call it when f has found nothing.
func newHost(s hostSettings, usual ports, roots *x509.CertPool, deps connectors.Dependencies) (*host, error) {
	h := &host{
		name: s.Host, security: s.Security, user: s.User, password: s.Password, timeout: s.Timeout,
		tls:  &tls.Config{ServerName: s.Host, RootCAs: roots, MinVersion: tls.VersionTLS12},
		dial: (&net.Dialer{KeepAlive: keepAlive}).DialContext,
	}
	port := s.Port
	if port == 0 {
		port = usual.plain
		if s.Security == securityImplicit {
			port = usual.implicit
		}
	}
	h.address = net.JoinHostPort(s.Host, strconv.Itoa(int(port)))
	if s.OAuth == nil {
		return h, nil
	}
	tokens, err := newTokens(*s.OAuth, deps)
	h.tokens = tokens
	return h, err
}

// close lets go of what newHost made.
func (h *host) close() error {
	if h.tokens == nil {
		return nil
	}
	return h.tokens.client.Close()
}

// connect makes the connection, with TLS where it is there from the first byte.
func (h *host) connect(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	conn, err := h.dial(ctx, "tcp", h.address)
	if err != nil {
		return nil, h.failure(err)
	}
	if h.security != securityImplicit {
		return conn, nil
	}
	return h.secure(ctx, conn)
}

// secure begins TLS on a connection, which it closes when that fails.
func (h *host) secure(ctx context.Context, conn net.Conn) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	secured := tls.Client(conn, h.tls)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, h.failure(err)
	}
	return secured, nil
}

// failed makes a SendError of what fails before anything was asked of the server.
func failed(reason connectors.Reason, words, hint string) *connectors.SendError {
	return &connectors.SendError{Outcome: connectors.NotSent, Reason: reason, Err: errors.New(words), Hint: hint}
}

// failure says what an error of the connection means. The words hold no more than the
// server's name.
func (h *host) failure(err error) error {
	if err == nil {
		return nil
	}
	if se, ok := errors.AsType[*connectors.SendError](err); ok {
		return se
	}
	if se := h.certificateFailure(err); se != nil {
		return se
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return failed(connectors.ReasonConnect, "no such host: "+h.name, "The name in Host does not exist: look for a slip of the pen, or ask who runs the name server.")
		}
		return failed(connectors.ReasonConnect, "the name server does not answer for "+h.name, "See whether this machine's name server works.")
	}
	wait, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, context.Canceled):
		return failed(connectors.ReasonCanceled, "stopped by the gateway", "")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isNet && wait.Timeout():
		return failed(connectors.ReasonTimeout, "no answer in time from "+h.name, "See whether a firewall lets this machine connect to "+h.address+", and whether the server is well.")
	case errors.Is(err, syscall.ECONNREFUSED):
		return failed(connectors.ReasonConnect, "connection refused by "+h.address, "Nothing listens there: look at Host, Port and Security, and whether the server runs.")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), strings.Contains(err.Error(), "unexpected EOF"):
		return failed(connectors.ReasonCut, h.name+" ended the connection", "")
	case isNet:
		return failed(connectors.ReasonConnect, "no connection to "+h.address, "See whether this machine reaches the server: name server, firewall, Host and Port.")
	}
	return nil
}

// lost says of an error of a session what it means, as far as that is no matter of
// the protocol: nil = it is one.
func (h *host) lost(ctx context.Context, guard *watchdog, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return stopped()
	case guard != nil && guard.bitten():
		return failed(connectors.ReasonTimeout, h.name+" fell silent", "The server took the connection and does not answer in Timeout: see whether it is overloaded.")
	}
	return h.failure(err)
}

// certificateFailure is failure for TLS; nil = it is something else.
func (h *host) certificateFailure(err error) *connectors.SendError {
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, otherName := errors.AsType[x509.HostnameError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	_, verification := errors.AsType[*tls.CertificateVerificationError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	switch {
	case isInvalid && invalid.Reason == x509.Expired && time.Now().After(invalid.Cert.NotAfter):
		se := failed(connectors.ReasonConnect, "certificate of "+h.name+" has expired on "+invalid.Cert.NotAfter.UTC().Format(time.DateOnly),
			"Who runs the mail server has to renew its certificate. Nothing is lost: mails wait there.")
		se.Code = "certificate_expired"
		return se
	case isInvalid && invalid.Reason == x509.Expired:
		return failed(connectors.ReasonConnect, "certificate of "+h.name+" is not valid yet", "See whether this machine's clock is right.")
	case unknown:
		return failed(connectors.ReasonConnect, "certificate of "+h.name+" is from nobody who is trusted", "Put the certificate of the server's own authority into a file, and name it in CA.")
	case otherName:
		return failed(connectors.ReasonConnect, "certificate is for another name than "+h.name, "Write the server's name into Host as its certificate has it.")
	case isInvalid || verification:
		return failed(connectors.ReasonConnect, "certificate of "+h.name+" is not valid", "Who runs the mail server has to look at its certificate.")
	case noTLS:
		return failed(connectors.ReasonConnect, h.address+" does not begin with TLS", "Set Security to starttls, or Port to the one that is for TLS.")
	case alert:
		return failed(connectors.ReasonConnect, h.name+" and this gateway have no way of TLS in common", "The server must offer TLS 1.2 or newer.")
	}
	return nil
}

// refusedLogin says why a login was refused, by the server's code and words, which are
// not shown: they may hold the user.
func (h *host) refusedLogin(code, text string) error {
	text = strings.ToLower(text)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
	reason, words, hint := connectors.ReasonAuth, "user or password refused", "Look at User and Password: they must be those with which a mail program can open this mailbox."
	switch {
	case h.tokens != nil:
		words, hint = "access token refused", "The token is given and the mail server does not take it: look at User, at OAuth.Scope, and whether IMAP or POP is allowed for this mailbox."
	case has("basicauth", "basic auth", "authentication is disabled", "legacy auth"):
		words, hint = "login by password is switched off", "The provider takes access tokens only: set OAuth instead of Password."
	case has("application-specific", "app password", "app-specific"):
		words, hint = "the account's own password is not taken", "The provider wants a password made for one program: create one in the account's settings."
	case has("not enabled for imap", "imap access", "pop access", "protocol disabled", "imap is disabled", "pop3 is disabled"):
		words, hint = "mail programs are not allowed for this mailbox", "Turn IMAP or POP on for this mailbox in the provider's settings."
	case code == "UNAVAILABLE" || code == "SYS/TEMP" || has("temporar", "try again later", "internal error"):
		reason, words, hint = connectors.ReasonServer, "the server cannot check logins now", "It is the mail server's fault; the gateway tries again."
	case code == "LIMIT" || code == "LOGIN-DELAY" || code == "IN-USE" || has("too many"):
		reason, words, hint = connectors.ReasonRate, "too many logins", "Other programs use the account, or Poll is too short for this provider."
	case code == "EXPIRED":
		words, hint = "the password has expired", "Set a new password for the mailbox, and put it into Password."
	case code == "PRIVACYREQUIRED":
		words, hint = "no password without TLS", "Set Security to starttls or implicit."
	}
	se := failed(reason, words, hint)
	se.Code = oneLine(code)
	return se
}

// byToken logs in with an access token: with a new one when the one that was kept is
// refused. try gives the code of a refusal.
func (h *host) byToken(ctx context.Context, try func(config.Secret) (code, text string, err error)) error {
	for {
		token, fresh, err := h.tokens.get(ctx)
		if err != nil {
			return err
		}
		code, text, err := try(token)
		if err != nil || code == "" {
			return err
		}
		h.tokens.refused(token)
		if fresh {
			return h.refusedLogin(code, text)
		}
	}
}
