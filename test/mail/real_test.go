//go:build mail

package mail

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"servicelink/test/proc"
)

// served is Dovecot and Postfix, as real programs.
type served struct {
	dir     string
	caFile  string
	dovecot *dovecot
	postfix *postfix
}

var _ host = (*served)(nil)

// newHost starts the servers of this machine, with a certificate of their own.
func newHost(t *testing.T) host { return newReal(t, time.Now().Add(time.Hour)) }

// newReal starts them with a certificate that ends at a time.
func newReal(t *testing.T, until time.Time) *served {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("Dovecot and Postfix are started as root: they change their user")
	}
	dir := proc.KeptDir(t, "mail")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r := &served{dir: dir}
	var cert, key string
	r.caFile, cert, key = certificate(t, dir, until)
	r.dovecot = newDovecot(t, dir, cert, key)
	r.postfix = newPostfix(t, dir, cert, key, r.dovecot)
	return r
}

func (r *served) imap() endpoint { return endpoint{r.dovecot.imaps, "implicit"} }
func (r *served) pop3() endpoint { return endpoint{r.dovecot.pop3s, "implicit"} }
func (r *served) smtp() endpoint { return endpoint{r.postfix.address, "starttls"} }
func (r *served) ca() string     { return r.caFile }

func (r *served) deliver(t *testing.T, user string, raw []byte) {
	t.Helper()
	r.dovecot.deliver(t, user, raw)
}

func (r *served) keeps(*testing.T, []byte) bool { return true }

func (r *served) folder(t *testing.T, user, name string) [][]byte {
	t.Helper()
	return r.dovecot.folder(t, user, name)
}

func (r *served) renumber(t *testing.T) {
	t.Helper()
	r.dovecot.renumber(t)
}

func (r *served) stop(t *testing.T) {
	t.Helper()
	r.postfix.stop(t)
	r.dovecot.stop(t)
}

func (r *served) start(t *testing.T) {
	t.Helper()
	r.dovecot.start(t)
	r.postfix.start(t)
}

// await waits until somebody listens; the process must live meanwhile.
func await(t *testing.T, what string, p *proc.Process, address string) {
	t.Helper()
	for begin := time.Now(); ; {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-p.Ended():
			t.Fatalf("%s has ended", what)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Since(begin) > patience {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// listen takes connections and says nothing to them.
func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// end stops a process that may have ended already.
func end(t *testing.T, p *proc.Process, sig syscall.Signal) {
	t.Helper()
	_ = p.Signal(sig)
	select {
	case <-p.Ended():
	case <-time.After(patience):
		t.Error("a server does not end")
		p.Kill()
	}
}

func create(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
