package egress

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

// HintRefused is what an operator can do about ErrRefused.
const HintRefused = "If the target is meant, list its range in egress.allow."

// Describe names what went wrong with a request, in fixed words: the errors of
// net/http quote URLs, header lines and first bytes of answers, so none of their
// texts is passed on. An empty reason: it depends on how far the request came.
func Describe(err error) (reason connectors.Reason, text string) {
	switch {
	case errors.Is(err, ErrRefused):
		return connectors.ReasonForbidden, ErrRefused.Error()
	case errors.Is(err, ErrTooLarge):
		return connectors.ReasonAnswer, ErrTooLarge.Error()
	case errors.Is(err, errIdle):
		return connectors.ReasonTimeout, errIdle.Error()
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
