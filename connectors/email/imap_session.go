package email

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"servicelink/connectors"
)

// commandLength is how many times Timeout a command may last while the server still
// says something.
const commandLength = 10

// imapSession is one connection to the mailbox. It dies once.
type imapSession struct {
	d      *imapHost
	guard  *watchdog
	filter *imapFilter
	client *imapclient.Client
	stop   func() bool // of the connection's end with the context
	caps   imap.CapSet
	// arrived has an element when the server told a number of mails. It is written
	// within the library's reading, where no command may be given.
	arrived chan struct{}

	validity     uint32
	last         uint32    // the highest UID that was listed
	whole        time.Time // when the whole mailbox is to be listed; zero = now
	flags        []imap.Flag
	done, failed string // the folders as the server names them
	idling       *imapclient.IdleCommand
	noIdle       bool // it was refused
	rest         rest
}

// do gives a command, or several, and waits for the end with the watchdog awake.
func (s *imapSession) do(command func() error) error {
	defer s.guard.watch(commandLength * s.d.host.timeout)()
	return command()
}

// close ends the connection. What is under way at the server is of no importance:
// what it did shows when the mailbox is listed again.
func (s *imapSession) close() {
	if s.client == nil {
		return
	}
	s.stop()
	s.endQuietly()
	_ = s.client.Close() // the connection is given up
}

// selectMailbox opens the mailbox, or looks at it anew. Places by another UIDVALIDITY
// mean nothing any more: what lies there comes again and is a repeat.
func (s *imapSession) selectMailbox() error {
	var data *imap.SelectData
	err := s.do(func() (err error) {
		data, err = s.client.Select(s.d.s.Mailbox, nil).Wait()
		return err
	})
	if refused, ok := errors.AsType[*imap.Error](err); ok {
		return s.noMailbox(refused)
	}
	if err != nil {
		return err
	}
	s.flags = data.PermanentFlags
	if s.validity != data.UIDValidity || data.UIDValidity == 0 {
		if s.validity != 0 {
			s.d.log("the mailbox has a new numbering (UIDVALIDITY): it is read anew, and what the core has is known")
		}
		s.validity, s.last, s.whole = data.UIDValidity, 0, time.Time{}
		s.d.forget(func(p imapPlace) bool { return p.validity == s.validity && s.validity != 0 })
	}
	s.filter.validity.Store(s.validity)
	return nil
}

// current makes sure that places still mean what they did: a server may tell a new
// UIDVALIDITY at any time.
func (s *imapSession) current() error {
	if told := s.filter.validity.Load(); told != s.validity {
		return s.selectMailbox()
	}
	return nil
}

// overlap is from which UID a part of the mailbox is listed: some below the highest
// one, as what is appended at the same time may show in any order.
func (s *imapSession) overlap() uint32 {
	const overlap = 100
	if s.last <= overlap {
		return 1
	}
	return s.last - overlap
}

// list finds what is to be worked on, by rising UID.
func (s *imapSession) list(from uint32) ([]uint32, error) {
	select {
	case <-s.arrived: // it is seen now
	default:
	}
	criteria := &imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagDeleted}}
	if s.d.s.Done == doneFlag {
		criteria.NotFlag = append(criteria.NotFlag, doneKeyword)
	}
	if from > 1 {
		var set imap.UIDSet
		set.AddRange(imap.UID(from), 0)
		criteria.UID = []imap.UIDSet{set}
	}
	var data *imap.SearchData
	err := s.do(func() (err error) {
		data, err = s.client.UIDSearch(criteria, nil).Wait()
		return err
	})
	if err != nil {
		return nil, err
	}
	set, _ := data.All.(imap.UIDSet)
	found, ok := set.Nums()
	if !ok {
		return nil, failed(connectors.ReasonAnswer, "the list of mails makes no sense", "")
	}
	uids := make([]uint32, 0, len(found))
	for _, uid := range found {
		// "n:*" brings the last mail also where it is below n.
		if uint32(uid) >= from {
			uids = append(uids, uint32(uid))
			s.last = max(s.last, uint32(uid))
		}
	}
	slices.Sort(uids)
	return uids, nil
}

// idle has the server tell at once what comes, where it can.
func (s *imapSession) idle() error {
	if s.noIdle || !s.d.s.Idle || !s.caps.Has(imap.CapIdle) {
		return nil
	}
	// Some servers tell in IDLE only what comes from then on: what came during the last
	// commands they tell at the end of this one.
	if err := s.do(s.client.Noop().Wait); err != nil {
		return err
	}
	if len(s.arrived) > 0 {
		return nil
	}
	err := s.do(func() (err error) {
		s.idling, err = s.client.Idle()
		return err
	})
	if refused, ok := errors.AsType[*imap.Error](err); ok {
		s.noIdle = true
		s.d.log("the server offers IDLE and refuses it: the mailbox is polled", "code", string(refused.Code))
		return nil
	}
	return err
}

// endIdle makes way for other commands.
func (s *imapSession) endIdle() error {
	idling := s.idling
	if s.idling = nil; idling == nil {
		return nil
	}
	return s.do(func() error {
		if err := idling.Close(); err != nil {
			return err
		}
		return idling.Wait()
	})
}

// endQuietly ends an IDLE on a connection that is given up.
func (s *imapSession) endQuietly() {
	if s.idling != nil {
		_ = s.guard.Close() // the library's goroutine sees it and ends
		_ = s.idling.Close()
		s.idling = nil
	}
}

// room waits until something is settled, and keeps the connection alive.
func (s *imapSession) room(ctx context.Context) error {
	timer := time.NewTimer(s.d.s.Poll)
	defer timer.Stop()
	select {
	case <-s.d.news:
		return s.mark()
	case <-timer.C:
		return s.do(func() error { return s.client.Noop().Wait() })
	case <-s.client.Closed():
		return s.do(func() error { return s.client.Noop().Wait() }) // says why
	case <-ctx.Done():
		return stopped()
	}
}
