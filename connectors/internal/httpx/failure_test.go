package httpx

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"servicelink/connectors"
	"servicelink/internal/egress"
)

// TestFailure: what is known depends on how far the request came, what is said
// about it only on fixed texts.
func TestFailure(t *testing.T) {
	const sent, unknown = connectors.NotSent, connectors.Unknown
	certificate := func(err error) error { return &tls.CertificateVerificationError{Err: err} }
	for _, tc := range []struct {
		name           string
		err            error
		left, answered bool
		outcome        connectors.Outcome
		reason         connectors.Reason
		text           string
	}{
		{"no such host", &net.DNSError{Name: "x-secret", IsNotFound: true}, false, false, sent, connectors.ReasonConnect, "no such host"},
		{"name server", &net.DNSError{Name: "x-secret"}, false, false, sent, connectors.ReasonConnect, "name server failed"},
		{"dial time-out", os.ErrDeadlineExceeded, false, false, sent, connectors.ReasonConnect, "no answer in time"},
		{"kernel time-out", syscall.ETIMEDOUT, true, false, unknown, connectors.ReasonTimeout, "no answer in time"},
		{"reset while dialling", syscall.ECONNRESET, false, false, sent, connectors.ReasonConnect, "connection reset"},
		{"reset after the request", syscall.ECONNRESET, true, false, unknown, connectors.ReasonCut, "connection reset"},
		{"broken pipe", syscall.EPIPE, true, false, unknown, connectors.ReasonCut, "connection reset"},
		{"closed in the handshake", io.EOF, false, false, sent, connectors.ReasonConnect, "connection closed"},
		{"closed after the request", io.EOF, true, false, unknown, connectors.ReasonCut, "connection closed"},
		{"unreachable", syscall.EHOSTUNREACH, false, false, sent, connectors.ReasonConnect, "host unreachable"},
		{"other host", certificate(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x-secret"}), false, false, sent, connectors.ReasonConnect, "another host"},
		{"expired", certificate(x509.CertificateInvalidError{Reason: x509.Expired}), false, false, sent, connectors.ReasonConnect, "expired"},
		{"bad certificate", certificate(errors.New("x-secret")), false, false, sent, connectors.ReasonConnect, "certificate is not valid"},
		{"TLS alert", tls.AlertError(40), false, false, sent, connectors.ReasonConnect, "handshake failure"},
		{"guard", fmt.Errorf("x-secret: %w", egress.ErrRefused), false, false, sent, connectors.ReasonForbidden, "egress.allow"},
		{"new kind, not sent", errors.New("x-secret"), false, false, sent, connectors.ReasonConnect, "connection failed"},
		{"new kind, sent", errors.New("x-secret"), true, false, unknown, connectors.ReasonCut, "connection failed"},
		{"new kind, answered", errors.New("x-secret"), true, true, unknown, connectors.ReasonAnswer, "answer is not HTTP"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var p progress
			p.left.Store(tc.left)
			p.answered.Store(tc.answered)
			se := failure(t.Context(), &url.Error{Op: "Post", URL: "https://x/path-secret", Err: tc.err}, &p)
			if se.Outcome != tc.outcome || se.Reason != tc.reason || !strings.Contains(se.Error(), tc.text) {
				t.Errorf("%v, want %s: %s: ...%s", se, tc.outcome, tc.reason, tc.text)
			}
			if text := fmt.Sprintf("%v %+v %#v", se, se, se.Err); strings.Contains(text, "-secret") {
				t.Errorf("error gives a secret away: %s", text)
			}
		})
	}
}
