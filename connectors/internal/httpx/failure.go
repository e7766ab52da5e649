package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"

	"servicelink/connectors"
)

// cause is a fixed text. The errors of net/http quote URLs, header lines and
// first bytes of answers, so none of their texts is passed on.
type cause string

func (c cause) Error() string { return string(c) }

// failure turns the transport's error into what is known about the request.
// ctx is the caller's, without the client's own time limit.
func failure(ctx context.Context, err error, p *progress) *connectors.SendError {
	outcome := connectors.NotSent
	if p.left.Load() {
		outcome = connectors.Unknown
	}
	reason, text := describe(err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		reason, text = connectors.ReasonCanceled, "stopped by the gateway"
	case errors.Is(err, errRefused):
		return &connectors.SendError{
			Outcome: connectors.NotSent, Reason: connectors.ReasonForbidden, Err: cause(errRefused.Error()),
			Hint: "If the target is meant, list its range in egress.allow.",
		}
	case reason != "":
	case p.answered.Load():
		reason, text = connectors.ReasonAnswer, "answer is not HTTP"
	default:
		reason = connectors.ReasonCut
	}
	if outcome == connectors.NotSent && reason != connectors.ReasonCanceled {
		reason = connectors.ReasonConnect // the text says how it failed
	}
	return &connectors.SendError{Outcome: outcome, Reason: reason, Err: cause(text)}
}

// describe names what went wrong. An empty reason leaves it to how far the
// request came.
func describe(err error) (connectors.Reason, string) {
	switch {
	case errors.Is(err, errTooLarge):
		return connectors.ReasonAnswer, errTooLarge.Error()
	case isTimeout(err):
		return connectors.ReasonTimeout, "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return connectors.ReasonCut, "connection closed"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return connectors.ReasonCut, "connection reset"
	case errors.Is(err, syscall.ECONNREFUSED):
		return connectors.ReasonConnect, "connection refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return connectors.ReasonConnect, "host unreachable"
	}
	if text := describeSetup(err); text != "" {
		return connectors.ReasonConnect, text
	}
	return "", "connection failed"
}

// describeSetup knows the failures of name resolution and TLS.
func describeSetup(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "no such host"
		}
		return "name server failed"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return describeCertificate(err)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return "target does not speak TLS"
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return alert.Error() // from a fixed table of the protocol
	}
	return ""
}

func describeCertificate(err error) string {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "certificate is for another host"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "certificate is of an unknown authority"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "certificate has expired or is not yet valid"
	}
	return "certificate is not valid"
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, syscall.ETIMEDOUT) {
		return true
	}
	// url.Error answers for what it wraps: net/http's own time limits included.
	wrapped, ok := errors.AsType[*url.Error](err)
	return ok && wrapped.Timeout()
}

func bug(text string) *connectors.SendError {
	return &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonBug, Err: cause(text)}
}
