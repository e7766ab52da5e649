package email

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// pop3Settings are those of a Pop3Host.
type pop3Settings struct {
	hostSettings
	mailSettings
	Poll time.Duration `yaml:"Poll"`
}

const (
	// pop3Gap is the least time between two sessions: a provider counts logins.
	pop3Gap = 5 * time.Second
	// pop3Batch is how many mails are delivered together.
	pop3Batch = 16
)

// pop3Host is one maildrop. The place of a mail is its UIDL.
type pop3Host struct {
	*intake[string]
	host *host
	poll time.Duration
	rest rest
}

var (
	_ connectors.Device    = (*pop3Host)(nil)
	_ connectors.Runner    = (*pop3Host)(nil)
	_ connectors.Settler   = (*pop3Host)(nil)
	_ connectors.Exclusive = (*pop3Host)(nil)
	_ connectors.Doctor    = (*pop3Host)(nil)
	_ connectors.Closer    = (*pop3Host)(nil)
)

func newPop3Host(ch config.Channel, deps connectors.Dependencies) (connectors.Device, error) {
	s := pop3Settings{
		hostSettings: hostSettings{Security: securityImplicit, Timeout: defaultTimeout}, mailSettings: defaultMail(),
		Poll: 2 * time.Minute,
	}
	f := decode(ch, &s)
	f.host(s.hostSettings, true)
	f.mail(s.mailSettings)
	f.duration("Poll", s.Poll, maxPoll)
	roots := f.roots(s.hostSettings)
	if f.err != nil {
		return nil, f.err
	}
	h, err := newHost(s.hostSettings, ports{implicit: 995, plain: 110}, roots, deps)
	if err != nil {
		return nil, err
	}
	return &pop3Host{intake: newIntake[string](s.mailSettings, deps), host: h, poll: s.Poll}, nil
}

// Capabilities implements connectors.Device.
func (d *pop3Host) Capabilities() connectors.Capabilities { return capabilities() }

// Exclusive implements connectors.Exclusive.
func (d *pop3Host) Exclusive() string {
	return "pop3|" + strings.ToLower(d.host.address) + "|" + d.host.user
}

// Close implements connectors.Closer.
func (d *pop3Host) Close() error { return d.host.close() }

// Run implements connectors.Runner: one session after the other, each short.
func (d *pop3Host) Run(ctx context.Context, in connectors.Inbox) error {
	for {
		more, err := d.session(ctx, in)
		if err != nil {
			return err
		}
		if err := d.wait(ctx, more); err != nil {
			return err
		}
	}
}

// wait returns when the next session is worth its login: what was delivered has
// ended, more mails lie there than there was room for, or Poll is over.
func (d *pop3Host) wait(ctx context.Context, more bool) error {
	if err := pause(ctx, max(pop3Gap, d.rest.last)); err != nil || more {
		return err
	}
	timer := time.NewTimer(d.poll - pop3Gap)
	defer timer.Stop()
	for {
		if done, _ := d.unmarked(); len(done) > 0 && d.underWay() == 0 {
			return nil
		}
		select {
		case <-d.news:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return stopped()
		}
	}
}

// session deletes what the core has, fetches what is new and goes. more: not all of
// it was fetched.
func (d *pop3Host) session(ctx context.Context, in connectors.Inbox) (more bool, err error) {
	s := &pop3Session{host: d.host}
	defer s.close()
	if err := s.open(ctx); err != nil {
		return false, s.why(ctx, err)
	}
	mails, err := s.mails()
	if err != nil {
		return false, s.why(ctx, err)
	}
	in.Working()
	deleted, err := d.remove(s, mails)
	if err == nil {
		more, err = d.fetch(ctx, s, in, mails)
	}
	if err == nil {
		err = s.ask("QUIT") // only now the server deletes
	}
	if err != nil {
		return false, s.why(ctx, err)
	}
	d.marked(deleted)
	return more, nil
}

// remove marks for deletion what has ended well. What has failed stays, and is not
// fetched again as long as this process lives.
func (d *pop3Host) remove(s *pop3Session, mails []pop3Mail) (deleted []string, err error) {
	there, numbers := map[string]bool{}, map[string]int{}
	for _, mail := range mails {
		there[mail.uidl], numbers[mail.uidl] = true, mail.number
	}
	d.present(there)
	done, _ := d.unmarked()
	for _, uidl := range done {
		if !there[uidl] { // it has ended this moment, and is gone
			continue
		}
		if err := s.ask("DELE " + strconv.Itoa(numbers[uidl])); err != nil {
			return nil, err
		}
		deleted = append(deleted, uidl)
	}
	return deleted, nil
}

// fetch fetches what is new, as far as there is room. The error is the connection's.
func (d *pop3Host) fetch(ctx context.Context, s *pop3Session, in connectors.Inbox, mails []pop3Mail) (more bool, err error) {
	var batch []arrived[string]
	var disk error
	for _, mail := range mails {
		wanted, _ := d.wanted(mail.uidl)
		if !wanted {
			continue
		}
		if more = !d.take(mail.uidl, mail.size); more {
			break
		}
		var event connectors.Event
		var mailErr error
		if event, mailErr, err = d.fetchOne(ctx, s, mail); err != nil || mailErr != nil {
			if disk = mailErr; unavailable(mailErr) || ctx.Err() != nil {
				d.release(mail.uidl)
				break
			}
			disk = nil
			d.failed(mail.uidl, errors.Join(mailErr, err))
			if err != nil {
				break
			}
			continue
		}
		if batch = append(batch, arrived[string]{mail.uidl, event}); len(batch) == pop3Batch {
			if disk = d.deliver(ctx, in, batch); disk != nil {
				batch = nil
				break
			}
			batch = nil
		}
	}
	if delivering := d.deliver(ctx, in, batch); delivering != nil {
		disk = delivering
	}
	d.rest.note(disk)
	return more, err
}

// fetchOne fetches a mail. Of its two errors one is the mail's or the disk's, and the
// session goes on; the other one is the connection's.
func (d *pop3Host) fetchOne(ctx context.Context, s *pop3Session, mail pop3Mail) (event connectors.Event, mailErr, err error) {
	whole := mail.size <= d.maxSize
	body, end, err := s.get(mail, whole)
	if _, refused := errors.AsType[*pop3Refusal](err); refused {
		return event, err, nil
	}
	if err != nil {
		return event, nil, err
	}
	defer end()
	event, mailErr = d.read(ctx, body, time.Time{}, whole, mail.size)
	_, _ = io.Copy(io.Discard, body) // to the dot; why it failed is in body
	if body.broken() {
		return event, nil, body.err
	}
	return event, mailErr, nil
}

// Examine implements connectors.Doctor:
//
//	network      connection and TLS
//	tls          how long the server's certificate lasts
//	credentials  the login
//	permissions  mails can be told apart (UIDL)
//	backlog      how many mails wait
//
// A maildrop that another session has locked cannot be looked at.
func (d *pop3Host) Examine(ctx context.Context, _ connectors.Examination) []connectors.Check {
	s := &pop3Session{host: d.host}
	defer s.close()
	err := s.why(ctx, s.open(ctx))
	checks := []connectors.Check{httpx.Reached(err), certificateCheck(s.guard), httpx.Accepted(err)}
	var mails []pop3Mail
	if err == nil {
		mails, err = s.mails()
		err = s.why(ctx, err)
	}
	if err != nil {
		return append(checks, httpx.Unasked(connectors.CheckPermissions, err), httpx.Unasked(connectors.CheckBacklog, err))
	}
	_ = s.ask("QUIT") // nothing was to be deleted
	return append(checks,
		connectors.Check{Name: connectors.CheckPermissions, State: connectors.CheckOK, Found: "the maildrop is there, and its mails can be told apart"},
		backlogCheck(len(mails)))
}
