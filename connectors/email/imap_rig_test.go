package email

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/connectors"
	"servicelink/test/netsim/mail"
)

// imapRig is a device before a simulated server.
type imapRig struct {
	*testing.T
	server *mail.Server
	device *imapHost
	engine *testEngine
	files  *testFiles
}

func newIMAPRig(t *testing.T, o mail.Options, settings string) *imapRig {
	t.Helper()
	server, err := mail.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	if err := server.AddMailbox(box, word); err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, server.CA(), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &imapRig{T: t, server: server, engine: newTestEngine(), files: &testFiles{kept: map[string][]byte{}}}
	text := fmt.Sprintf("{Host: mail.test, User: %s, Password: %s, CA: %q%s}", box, word, ca, settings)
	device, err := newImapHost(testChannel(t, text), connectors.Dependencies{Log: testLog(), Files: r.files})
	if err != nil {
		t.Fatal(err)
	}
	r.device = device.(*imapHost)
	r.device.host.dial = server.Dial
	if !o.Pipe { // a real connection has room for what nobody reads
		r.device.host.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			address = map[bool]string{true: server.IMAPS(), false: server.IMAP()}[strings.HasSuffix(address, ":993")]
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	}
	t.Cleanup(func() { _ = r.device.Close() })
	return r
}

func (r *imapRig) put(from, to int) {
	r.Helper()
	for n := from; n <= to; n++ {
		if err := r.server.Append(box, testMail(n)); err != nil {
			r.Fatal(err)
		}
	}
}

func (r *imapRig) folder(name string) (subjects string) {
	r.Helper()
	list, err := r.server.Folder(box, name)
	if err != nil {
		return "none"
	}
	var all []string
	for _, m := range list {
		_, rest, _ := strings.Cut(string(m.Raw), "Subject: ")
		subject, _, _ := strings.Cut(rest, "\r\n")
		all = append(all, subject)
	}
	return strings.Join(all, " ")
}

func (r *imapRig) want(what, got, want string) {
	r.Helper()
	if got != want {
		r.Errorf("%s: %q, want %q", what, got, want)
	}
}

// after lets a time go by and everything come to rest.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func bubble(t *testing.T, o mail.Options, settings string, test func(t *testing.T, r *imapRig)) {
	t.Helper()
	o.Pipe = true
	synctest.Test(t, func(t *testing.T) { test(t, newIMAPRig(t, o, settings)) })
}
