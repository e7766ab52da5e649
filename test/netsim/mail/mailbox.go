package mail

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

const inbox = "INBOX"

// mailbox is the folders of one user.
type mailbox struct {
	address string // as it was added
	user    *imapmemserver.User
	moving  sync.RWMutex // held to write while Renumber works

	mu              sync.Mutex
	password, token string
	version         int64
	changed         chan struct{} // closed at the next change
}

func newMailbox(address, password string) *mailbox {
	box := &mailbox{
		address: address, password: password, changed: make(chan struct{}),
		user: imapmemserver.NewUser(address, password),
	}
	_ = box.user.Create(inbox, nil) // a new user has none
	return box
}

func (b *mailbox) setPassword(password string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.password = password
}

func (b *mailbox) setToken(token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.token = token
}

func (b *mailbox) hasPassword(password string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.password != "" && password == b.password
}

func (b *mailbox) hasToken(token string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.token != "" && token == b.token
}

// bump tells those who wait that something has changed.
func (b *mailbox) bump() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.version++
	close(b.changed)
	b.changed = make(chan struct{})
}

// at is the version, and what tells the next one.
func (b *mailbox) at() (int64, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.version, b.changed
}

func (b *mailbox) append(folder string, raw []byte, o *imap.AppendOptions) error {
	b.moving.RLock()
	defer b.moving.RUnlock()
	return b.put(folder, raw, o)
}

// put appends, with moving held.
func (b *mailbox) put(folder string, raw []byte, o *imap.AppendOptions) error {
	_, err := b.user.Append(folder, literal{bytes.NewReader(raw)}, o)
	if isCode(err, imap.ResponseCodeTryCreate) {
		if err := b.user.Create(folder, nil); err != nil && !isCode(err, imap.ResponseCodeAlreadyExists) {
			return err
		}
		_, err = b.user.Append(folder, literal{bytes.NewReader(raw)}, o)
	}
	b.bump()
	return err
}

func isCode(err error, code imap.ResponseCode) bool {
	known, ok := errors.AsType[*imap.Error](err)
	return ok && known.Code == code
}

// literal is a mail as the library wants it.
type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

var _ io.Reader = literal{}
