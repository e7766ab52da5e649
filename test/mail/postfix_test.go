//go:build mail

package mail

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"servicelink/test/ports"
	"servicelink/test/proc"
)

// postfix takes mail of those who log in, for the mailboxes of Dovecot.
type postfix struct {
	dir, address string
	log          *os.File
	process      *proc.Process
}

// users are the mailboxes there are; anything else is refused at RCPT.
const users = `/^(alice|bob|carol|support|sales|customer[0-9]*)(\+.*)?@example\.test$/ ok` + "\n"

func newPostfix(t *testing.T, dir, cert, key string, d *dovecot) *postfix {
	t.Helper()
	p := &postfix{dir: dir, address: ports.For(t), log: create(t, filepath.Join(dir, "postfix.log"))}
	for _, name := range []string{"postfix", "queue", "data"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	uid, gid := ids(t, "postfix")
	if err := os.Chown(filepath.Join(dir, "data"), uid, gid); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "postfix", "users"), users)
	write(t, filepath.Join(dir, "postfix", "main.cf"), fmt.Sprintf(`
compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
default_privs = nobody
myhostname = mx.example.test
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = /dev/stdout
alias_maps =
alias_database =
virtual_mailbox_domains = example.test
virtual_mailbox_maps = regexp:%[1]s/postfix/users
virtual_transport = lmtp:inet:%[4]s
default_transport = error:there are no other domains here
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:%[5]s
smtpd_tls_cert_file = %[2]s
smtpd_tls_key_file = %[3]s
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
message_size_limit = 40000000
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtpd_client_connection_count_limit = 0
`, dir, cert, key, d.lmtp, d.logins))
	services := p.address + " inet n - n - - smtpd\n"
	for line := range strings.SplitSeq(strings.TrimSpace(`
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd`), "\n") {
		services += line + "\n"
	}
	write(t, filepath.Join(dir, "postfix", "master.cf"), services)
	p.start(t)
	t.Cleanup(func() { p.stop(t) })
	return p
}

func (p *postfix) start(t *testing.T) {
	t.Helper()
	var err error
	if p.process, err = proc.Start(p.log, nil, "postfix", "-c", filepath.Join(p.dir, "postfix"), "start-fg"); err != nil {
		t.Fatal(err)
	}
	await(t, "Postfix", p.process, p.address)
}

func (p *postfix) stop(t *testing.T) {
	t.Helper()
	end(t, p.process, syscall.SIGTERM)
}
