package email

import (
	"context"
	"slices"
	"strings"
	"time"

	"servicelink/config"
	"servicelink/connectors"
)

// How a mail is marked that the core has.
const (
	doneFolder = "folder" // moved to DoneFolder
	doneFlag   = "flag"   // gets doneKeyword and stays
	doneDelete = "delete"
)

// doneKeyword is the flag of what is done, where it stays.
const doneKeyword = "$ServicelinkDone"

// imapSettings are those of an ImapHost.
type imapSettings struct {
	hostSettings
	mailSettings
	Mailbox string `yaml:"Mailbox"`
	Done    string `yaml:"Done"`
	// DoneFolder and FailedFolder are made where they are missing. "/" stands for
	// whatever the server puts between the names of folders.
	DoneFolder   string `yaml:"DoneFolder"`
	FailedFolder string `yaml:"FailedFolder"`
	// Poll is how often the mailbox is listed as a whole, whatever IDLE tells.
	Poll time.Duration `yaml:"Poll"`
	Idle bool          `yaml:"Idle"` // where the server has it
}

// imapPlace is where a mail lies: the UID means something with the validity alone.
type imapPlace struct{ validity, uid uint32 }

// imapHost is one mailbox.
type imapHost struct {
	*intake[imapPlace]
	host *host
	s    imapSettings
	log  func(msg string, args ...any) // of what is worth a line, at level info
}

var (
	_ connectors.Device    = (*imapHost)(nil)
	_ connectors.Runner    = (*imapHost)(nil)
	_ connectors.Settler   = (*imapHost)(nil)
	_ connectors.Exclusive = (*imapHost)(nil)
	_ connectors.Doctor    = (*imapHost)(nil)
	_ connectors.Closer    = (*imapHost)(nil)
)

func newImapHost(ch config.Channel, deps connectors.Dependencies) (connectors.Device, error) {
	s := imapSettings{
		hostSettings: hostSettings{Security: securityImplicit, Timeout: defaultTimeout}, mailSettings: defaultMail(),
		Mailbox: "INBOX", Done: doneFolder, DoneFolder: "Servicelink/Done", FailedFolder: "Servicelink/Failed",
		Poll: 2 * time.Minute, Idle: true,
	}
	f := decode(ch, &s)
	f.host(s.hostSettings, true)
	f.mail(s.mailSettings)
	f.oneOf("Done", s.Done, doneFolder, doneFlag, doneDelete)
	f.duration("Poll", s.Poll, maxPoll)
	folders := map[string]string{"Mailbox": s.Mailbox, "FailedFolder": s.FailedFolder}
	if s.Done == doneFolder {
		folders["DoneFolder"] = s.DoneFolder
	}
	for key, name := range folders {
		switch {
		case name == "" || strings.ContainsFunc(name, controls) || strings.ContainsAny(name, "*%"):
			f.problem(key, "is not the name of a mailbox", "")
		case key != "Mailbox" && strings.EqualFold(name, s.Mailbox):
			f.problem(key, "is the mailbox itself: mails would be fetched for ever", "")
		}
	}
	roots := f.roots(s.hostSettings)
	if f.err != nil {
		return nil, f.err
	}
	h, err := newHost(s.hostSettings, ports{implicit: 993, plain: 143}, roots, deps)
	if err != nil {
		return nil, err
	}
	return &imapHost{intake: newIntake[imapPlace](s.mailSettings, deps), host: h, s: s, log: deps.Log.Info}, nil
}

// Capabilities implements connectors.Device.
func (d *imapHost) Capabilities() connectors.Capabilities { return capabilities() }

// Exclusive implements connectors.Exclusive: two readers of one mailbox would take
// each other's mails away.
func (d *imapHost) Exclusive() string {
	return "imap|" + strings.ToLower(d.host.address) + "|" + d.host.user + "|" + d.s.Mailbox
}

// Close implements connectors.Closer.
func (d *imapHost) Close() error { return d.host.close() }

// Run implements connectors.Runner: it reads the mailbox until ctx ends or the
// connection does.
func (d *imapHost) Run(ctx context.Context, in connectors.Inbox) error {
	s := &imapSession{d: d, arrived: make(chan struct{}, 1)}
	defer s.close()
	return s.why(ctx, s.run(ctx, in))
}

func (s *imapSession) run(ctx context.Context, in connectors.Inbox) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	if err := s.prepare(); err != nil {
		return err
	}
	for {
		if err := s.round(ctx, in); err != nil {
			return err
		}
		if err := s.wait(ctx, time.Until(s.whole)); err != nil {
			return err
		}
	}
}

// round lists the mailbox, marks what has ended and fetches what is new.
func (s *imapSession) round(ctx context.Context, in connectors.Inbox) error {
	from := s.overlap()
	if now := time.Now(); !now.Before(s.whole) {
		if !s.whole.IsZero() { // a while ago: the mailbox may be another one
			if err := s.selectMailbox(); err != nil {
				return err
			}
		}
		from, s.whole = 1, now.Add(s.d.s.Poll)
	}
	uids, err := s.list(from)
	if err != nil {
		return err
	}
	in.Working()
	if from == 1 {
		s.d.present(s.places(uids))
	}
	// Before the marks are set: afterwards it is not known any more what they are of.
	uids = slices.DeleteFunc(uids, func(uid uint32) bool {
		wanted, _ := s.d.wanted(imapPlace{s.validity, uid})
		return !wanted
	})
	if err := s.mark(); err != nil {
		return err
	}
	return s.fetchAll(ctx, in, uids)
}

func (s *imapSession) places(uids []uint32) map[imapPlace]bool {
	there := make(map[imapPlace]bool, len(uids))
	for _, uid := range uids {
		there[imapPlace{s.validity, uid}] = true
	}
	return there
}

// settling is how long settlements are waited for before they are marked together.
const settling = 200 * time.Millisecond

// wait returns when something has come, when something was settled, or after d.
func (s *imapSession) wait(ctx context.Context, d time.Duration) error {
	if err := s.idle(); err != nil {
		return err
	}
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.arrived:
	case <-s.d.news:
		select { // others are about to follow
		case <-time.After(settling):
		case <-ctx.Done():
		}
	case <-s.client.Closed():
	case <-ctx.Done():
		return stopped()
	}
	return s.endIdle()
}

// why is what Run returns for an error: what it means to an operator.
func (s *imapSession) why(ctx context.Context, err error) error {
	if se := s.d.host.lost(ctx, s.guard, err); se != nil || err == nil {
		return se
	}
	return s.explain(err)
}
