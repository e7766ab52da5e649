//go:build !mail

package mail

import (
	"os"
	"path/filepath"
	"testing"

	"servicelink/test/netsim/control"
	netsim "servicelink/test/netsim/mail"
)

// simulated is the mail host of test/netsim/mail.
type simulated struct {
	*netsim.Server
	caFile string
}

var _ host = (*simulated)(nil)

// mailboxes are those that the suites use.
var mailboxes = []string{"support", "sales", "alice", "bob", "carol", "spare"}

const spare = "spare@" + domain

func newHost(t *testing.T) host {
	t.Helper()
	s, err := netsim.New(netsim.Options{Name: "mx." + domain, Auth: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for _, name := range mailboxes {
		if err := s.AddMailbox(name+"@"+domain, password); err != nil {
			t.Fatal(err)
		}
	}
	h := &simulated{Server: s, caFile: filepath.Join(t.TempDir(), "ca.pem")}
	if err := os.WriteFile(h.caFile, s.CA(), 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *simulated) imap() endpoint { return endpoint{h.IMAPS(), "implicit"} }
func (h *simulated) pop3() endpoint { return endpoint{} }
func (h *simulated) smtp() endpoint { return endpoint{h.SMTP(), "starttls"} }
func (h *simulated) ca() string     { return h.caFile }

func (h *simulated) deliver(t *testing.T, user string, raw []byte) {
	t.Helper()
	if err := h.Append(user, raw); err != nil {
		t.Fatal(err)
	}
}

// keeps tries it on a mailbox that nobody reads.
func (h *simulated) keeps(t *testing.T, raw []byte) bool {
	t.Helper()
	h.deliver(t, spare, raw)
	all := h.folder(t, spare, "INBOX")
	return sum(all[len(all)-1]) == sum(raw)
}

func (h *simulated) folder(t *testing.T, user, name string) (mails [][]byte) {
	t.Helper()
	messages, err := h.Folder(user, name)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		mails = append(mails, m.Raw)
	}
	return mails
}

func (h *simulated) renumber(t *testing.T) {
	t.Helper()
	for _, name := range mailboxes {
		if err := h.Renumber(name+"@"+domain, "INBOX"); err != nil {
			t.Fatal(err)
		}
	}
}

// stop hangs up on whoever comes, and on who is there.
func (h *simulated) stop(t *testing.T) {
	t.Helper()
	if err := h.Fault(control.Fault{Kind: control.Outage}); err != nil {
		t.Fatal(err)
	}
	h.Kick("")
}

func (h *simulated) start(*testing.T) { h.Clear() }
