package mail

import (
	"testing"
	"time"
)

const (
	domain   = "example.test"
	password = "secret-of-the-mailbox"
	// patience bounds every wait for another process.
	patience = 2 * time.Minute
)

// host is a mail server: mailboxes that are read by IMAP and POP3, and a way out.
// Its users are name@example.test with one password; an unknown recipient is refused
// 550, and mail is taken only from who has logged in.
type host interface {
	imap() endpoint
	pop3() endpoint // address "" where the server has none
	smtp() endpoint // STARTTLS
	ca() string     // file with the CA its certificates are of

	// deliver puts a mail into a user's INBOX.
	deliver(t *testing.T, user string, raw []byte)
	// keeps tells whether the server leaves a mail as it is. One that writes headers
	// anew does not with those that are none.
	keeps(t *testing.T, raw []byte) bool
	// folder gives what lies in a user's folder, "INBOX" or "Servicelink/Done".
	folder(t *testing.T, user, name string) [][]byte
	// renumber gives every mailbox another UIDVALIDITY and keeps the mails.
	renumber(t *testing.T)
	// stop and start take the servers away and bring them back.
	stop(t *testing.T)
	start(t *testing.T)
}

// endpoint is where a protocol is spoken.
type endpoint struct {
	address  string // host:port
	security string // implicit, starttls, none
}
