//go:build mail

package mail

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"servicelink/test/ports"
	"servicelink/test/proc"
)

// dovecot is IMAP, POP3 and LMTP, and the passwords of Postfix.
type dovecot struct {
	dir                                  string
	imapAddr, imaps, pop3s, lmtp, logins string
	log                                  *os.File
	process                              *proc.Process
	uid, gid                             int
	count                                int
}

func newDovecot(t *testing.T, dir, cert, key string) *dovecot {
	t.Helper()
	d := &dovecot{
		dir: dir, imapAddr: ports.For(t), imaps: ports.For(t), pop3s: ports.For(t), lmtp: ports.For(t), logins: ports.For(t),
		log: create(t, filepath.Join(dir, "dovecot.log")),
	}
	d.uid, d.gid = ids(t, "nobody")
	for _, name := range []string{"run", "mail"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(dir, "mail"), d.uid, d.gid); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "dovecot.conf"), fmt.Sprintf(`
base_dir = %[1]s/run
state_dir = %[1]s/run
log_path = /dev/stderr
protocols = imap pop3 lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <%[2]s
ssl_key = <%[3]s
disable_plaintext_auth = yes
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = maildir:%[1]s/mail/%%u
mail_max_userip_connections = 50
first_valid_uid = 1
namespace inbox {
  inbox = yes
  separator = /
}
passdb {
  driver = static
  args = password=%[4]s
}
userdb {
  driver = static
  args = uid=%[5]d gid=%[6]d home=%[1]s/mail/%%u
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
`, dir, cert, key, password, d.uid, d.gid)+
		listener("imap-login", "imap", d.imapAddr, false)+listener("imap-login", "imaps", d.imaps, true)+
		listener("pop3-login", "pop3", "127.0.0.1:0", false)+listener("pop3-login", "pop3s", d.pop3s, true)+
		listener("lmtp", "", d.lmtp, false)+listener("auth", "", d.logins, false))
	d.start(t)
	t.Cleanup(func() { d.stop(t) })
	return d
}

// listener is a service's place in Dovecot's configuration; port 0 is none.
func listener(service, name, address string, tls bool) string {
	host, port, _ := strings.Cut(address, ":")
	text := "service " + service + " {\n  inet_listener " + name + " {\n    address = " + host + "\n    port = " + port + "\n"
	if tls {
		text += "    ssl = yes\n"
	}
	return text + "  }\n}\n"
}

func (d *dovecot) start(t *testing.T) {
	t.Helper()
	var err error
	if d.process, err = proc.Start(d.log, nil, "dovecot", "-F", "-c", filepath.Join(d.dir, "dovecot.conf")); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{d.imapAddr, d.imaps, d.pop3s, d.lmtp} {
		await(t, "Dovecot at "+address, d.process, address)
	}
}

// stop ends the master process and with it all others.
func (d *dovecot) stop(t *testing.T) {
	t.Helper()
	end(t, d.process, syscall.SIGTERM)
}

// deliver writes a mail into the Maildir as any delivery agent does: whole, by its
// name.
func (d *dovecot) deliver(t *testing.T, address string, raw []byte) {
	t.Helper()
	box := filepath.Join(d.dir, "mail", address)
	for _, name := range []string{"", "tmp", "new", "cur"} {
		d.own(t, filepath.Join(box, name), os.MkdirAll(filepath.Join(box, name), 0o700))
	}
	d.count++
	name := fmt.Sprintf("%d.M%06dP%d.test", time.Now().Unix(), d.count, os.Getpid())
	d.own(t, filepath.Join(box, "tmp", name), os.WriteFile(filepath.Join(box, "tmp", name), raw, 0o600))
	if err := os.Rename(filepath.Join(box, "tmp", name), filepath.Join(box, "new", name)); err != nil {
		t.Fatal(err)
	}
}

func (d *dovecot) own(t *testing.T, path string, err error) {
	t.Helper()
	if err == nil {
		err = os.Chown(path, d.uid, d.gid)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// folder reads the Maildir itself. Its folders are named with dots.
func (d *dovecot) folder(t *testing.T, address, name string) (mails [][]byte) {
	t.Helper()
	box := filepath.Join(d.dir, "mail", address)
	if name != "INBOX" {
		box = filepath.Join(box, "."+strings.ReplaceAll(name, "/", "."))
	}
	for _, state := range []string{"new", "cur"} {
		files, err := filepath.Glob(filepath.Join(box, state, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if os.IsNotExist(err) {
				continue // renamed with another flag, and listed again there
			}
			if err != nil {
				t.Fatal(err)
			}
			mails = append(mails, raw)
		}
	}
	return mails
}

// renumber forgets the UIDs: the mailbox gets new ones with another UIDVALIDITY.
func (d *dovecot) renumber(t *testing.T) {
	t.Helper()
	d.stop(t)
	err := filepath.WalkDir(filepath.Join(d.dir, "mail"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(filepath.Base(path), "dovecot") {
			return os.Remove(path) //nolint:gosec // a folder of the test's own, its servers stopped
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	d.start(t)
}

func ids(t *testing.T, name string) (uid, gid int) {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, err = strconv.Atoi(u.Uid)
	if err == nil {
		gid, err = strconv.Atoi(u.Gid)
	}
	if err != nil {
		t.Fatal(err)
	}
	return uid, gid
}
