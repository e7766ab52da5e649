package email

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"servicelink/connectors"
)

// parserSettings is what a mailbox's settings say about reading mails.
type parserSettings struct {
	// Addresses are the gateway's own: mail from them is a loop.
	Addresses []string
	// TrustedAuthServ are the names under which mail servers of ours write
	// Authentication-Results (RFC 8601, authserv-id). Others are not believed.
	TrustedAuthServ []string
	Culture         string // of mails that do not say; may be empty
	KeepOriginal    bool   // the mail as it came is announced as the last file
}

// parser makes events of mails. It keeps nothing between two of them and may be
// used by several goroutines.
type parser struct {
	settings parserSettings
	files    connectors.FileKeeper // nil: there is no place for files
	log      *slog.Logger
}

func newParser(settings parserSettings, files connectors.FileKeeper, log *slog.Logger) *parser {
	return &parser{settings: settings, files: files, log: log}
}

// incoming is one mail as it was found.
type incoming struct {
	Raw      io.ReadSeeker
	Received time.Time       // when the mailbox got it; zero = now
	Original connectors.File // where Raw is kept, by Files.Put; zero = nowhere
}

// parseTime is how long a mail may take, without what keeping its files takes. That
// is in proportion to its length whatever is in it: this is for what nobody has
// thought of.
const parseTime = time.Minute

// How much of a mail is looked at.
type depth uint8

const (
	wholeMail   depth = iota
	headersOnly       // the whole was too much
	nothing           // the headers were, too
)

var (
	// errUnreadable: the mail cannot be read at this depth.
	errUnreadable = errors.New("unreadable")
	errTooLong    = errors.New("reading the mail takes too long")
)

// parse makes the event of a mail. Whatever is wrong with the mail is an event that
// says so; the error is that of Raw, of the FileKeeper, or of ctx, and never of the
// mail: the same may go better next time.
func (p *parser) parse(ctx context.Context, in incoming) (connectors.Event, error) {
	var event connectors.Event
	var err error
	for look := wholeMail; look <= nothing; look++ {
		if _, err = in.Raw.Seek(0, io.SeekStart); err != nil {
			return connectors.Event{}, fmt.Errorf("reading a mail: %w", err)
		}
		event, err = p.read(ctx, in, look)
		if !errors.Is(err, errUnreadable) {
			return event, err
		}
	}
	return event, err
}

// read is one attempt. A panic, which would be a fault of ours or of a library, is
// that the mail is unreadable.
func (p *parser) read(ctx context.Context, in incoming, look depth) (event connectors.Event, err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			p.log.Error("reading a mail panicked", "depth", int(look), "panic", fmt.Sprintf("%T", thrown), "stack", string(debug.Stack()))
			err = errUnreadable
		}
	}()
	r := newReading(ctx, p, in)
	if r.whole = look == wholeMail; r.whole {
		r.s.until = time.Now().Add(parseTime)
	}
	switch err := r.read(); {
	case errors.Is(err, errTooLong):
		p.log.Error("reading a mail takes too long", "limit", parseTime)
		return connectors.Event{}, errUnreadable
	case err != nil:
		return connectors.Event{}, fmt.Errorf("reading a mail: %w", err)
	}
	m := &connectors.Message{ReceivedAt: in.Received}
	if m.ReceivedAt.IsZero() {
		m.ReceivedAt = time.Now()
	}
	m.ReceivedAt = m.ReceivedAt.UTC()
	if look < nothing {
		r.fillFields(m)
	}
	r.fillBody(m)
	if look < nothing {
		r.fillAuto(m)
		r.fillTrust(m)
	}
	r.fillFiles(m)
	return r.event(m), nil
}

// event puts the event around its message.
func (r *reading) event(m *connectors.Message) connectors.Event {
	e := connectors.Event{
		ID:      connectors.EventID("mail", "in", r.identity(), ""),
		Kind:    connectors.KindMessage,
		SentAt:  m.ReceivedAt,
		Message: m,
	}
	e.TrackingID = trackingID(m.RemoteAddress)
	if m.RemoteAddress == "" {
		m.RemoteAddress = unknownSender
	}
	if len(m.SystemID) <= connectors.MaxNetworkID {
		e.NetworkID = m.SystemID
	}
	e.Customer = connectors.Customer{RemoteAddress: m.RemoteAddress, PartyName: m.RemoteAddress}
	if r.sender.name != "" {
		e.Customer.PartyName = r.sender.name
	}
	if language, _, _ := strings.Cut(m.Culture, "-"); len(language) == 2 {
		e.Customer.Culture = strings.ToLower(language)
	}
	return e
}

// unknownSender is the address of who gives none. No mail reaches it (RFC 2606).
const unknownSender = "unknown@invalid"

// trackingID names the conversation with an address: every mail of it is in one.
func trackingID(address string) string {
	if address == "" {
		return connectors.TrackingID("mail", "unknown")
	}
	id := connectors.TrackingID("mail", address)
	if len(id) <= connectors.MaxTrackingID {
		return id
	}
	sum := sha256Sum(address)
	return connectors.TrackingID("mail", "h:"+hex.EncodeToString(sum[:]))
}
