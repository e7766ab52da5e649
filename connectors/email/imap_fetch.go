package email

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"golang.org/x/sync/errgroup"

	"servicelink/connectors"
)

// What is asked for at once.
const (
	listBatch  = 200     // sizes
	fetchBatch = 32      // mails
	fetchBytes = 8 << 20 // of mails together, or one
	// readers is how many mails are kept and parsed while the next ones are fetched.
	readers = 4
	// headerBytes is what is fetched of a mail that is too big.
	headerBytes = 64 << 10
	// slowest is how slow a line may be, in bytes a second.
	slowest = 4 << 10
)

// imapMail is a mail of which the mailbox has told.
type imapMail struct {
	place    imapPlace
	size     int64
	received time.Time
	failures int // to fetch it
}

// fetchAll fetches and delivers what is listed, as far as there is room.
func (s *imapSession) fetchAll(ctx context.Context, in connectors.Inbox, uids []uint32) error {
	validity := s.validity
	for len(uids) > 0 && s.validity == validity && ctx.Err() == nil {
		n := min(len(uids), listBatch)
		mails, err := s.describe(uids[:n])
		if err != nil {
			return err
		}
		uids = uids[n:]
		for len(mails) > 0 && s.validity == validity {
			batch := s.batch(mails)
			if len(batch) == 0 {
				if err := s.room(ctx); err != nil {
					return err
				}
				continue
			}
			mails = mails[len(batch):]
			if err := s.fetch(ctx, in, batch); err != nil {
				return err
			}
			if s.rest.last > 0 { // nothing can be taken now
				s.whole = time.Time{}
				return pause(ctx, s.rest.last)
			}
			if err := s.mark(); err != nil {
				return err
			}
		}
	}
	return nil
}

// describe asks for the sizes of those that are wanted.
func (s *imapSession) describe(uids []uint32) (mails []imapMail, err error) {
	asked := map[uint32]int{} // how often each failed
	var set imap.UIDSet
	for _, uid := range uids {
		wanted, failures := s.d.wanted(imapPlace{s.validity, uid})
		if wanted {
			set.AddNum(imap.UID(uid))
			asked[uid] = failures
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	told := map[uint32]imapMail{}
	err = s.do(func() error {
		command := s.client.Fetch(set, &imap.FetchOptions{UID: true, RFC822Size: true, InternalDate: true})
		for message := command.Next(); message != nil; message = command.Next() {
			mail := imapMail{size: -1}
			for item := message.Next(); item != nil; item = message.Next() {
				switch item := item.(type) {
				case imapclient.FetchItemDataUID:
					mail.place = imapPlace{s.validity, uint32(item.UID)}
				case imapclient.FetchItemDataRFC822Size:
					mail.size = item.Size
				case imapclient.FetchItemDataInternalDate:
					mail.received = item.Time
				}
			}
			if failures, ok := asked[mail.place.uid]; ok && mail.size >= 0 {
				mail.failures = failures
				told[mail.place.uid] = mail
			}
		}
		return command.Close()
	})
	for _, uid := range uids {
		if mail, ok := told[uid]; ok {
			mails = append(mails, mail)
		}
	}
	// In the mailbox's order, but what failed again and again comes last.
	slices.SortStableFunc(mails, func(a, b imapMail) int { return cmp.Compare(max(a.failures, 1), max(b.failures, 1)) })
	return mails, err
}

// batch takes room for the first mails, as many as are fetched at once.
func (s *imapSession) batch(mails []imapMail) []imapMail {
	sum := int64(0)
	for i, mail := range mails {
		sum += mail.size
		if i == fetchBatch || i > 0 && sum > fetchBytes || !s.d.take(mail.place, mail.size) {
			return mails[:i]
		}
	}
	return mails
}

// fetch fetches a batch that room is taken for, and delivers it. The error is the
// connection's.
func (s *imapSession) fetch(ctx context.Context, in connectors.Inbox, batch []imapMail) error {
	f := &imapFetch{s: s, ctx: ctx, mails: map[uint32]imapMail{}, read: map[uint32]readMail{}}
	var whole, headers imap.UIDSet
	for _, mail := range batch {
		f.mails[mail.place.uid] = mail
		if mail.size > s.d.maxSize {
			headers.AddNum(imap.UID(mail.place.uid))
		} else {
			whole.AddNum(imap.UID(mail.place.uid))
		}
	}
	err := f.ask(whole, &imap.FetchItemBodySection{Peek: true})
	if err == nil {
		err = f.ask(headers, &imap.FetchItemBodySection{
			Specifier: imap.PartSpecifierHeader, Peek: true, Partial: &imap.SectionPartial{Size: headerBytes},
		})
	}
	var events []arrived[imapPlace]
	var disk error
	blamed := false
	for _, mail := range batch {
		got, there := f.read[mail.place.uid]
		switch {
		case there && got.err == nil:
			events = append(events, arrived[imapPlace]{mail.place, got.event})
		case ctx.Err() != nil:
			s.d.release(mail.place)
		case there && unavailable(got.err):
			disk = got.err
			s.d.release(mail.place)
		case err == nil && !there: // it has gone meanwhile
			s.d.release(mail.place)
		case err != nil && (blamed || !f.blames(mail)):
			s.d.release(mail.place)
		default:
			blamed = true
			s.d.failed(mail.place, errors.Join(got.err, err))
		}
	}
	if len(events) > 0 && ctx.Err() == nil {
		if delivering := s.d.deliver(ctx, in, events); delivering != nil {
			disk = delivering
		}
	} else {
		for _, e := range events {
			s.d.release(e.place)
		}
	}
	s.rest.note(disk)
	return err
}

// imapFetch is one batch on its way.
type imapFetch struct {
	s     *imapSession
	ctx   context.Context //nolint:containedctx // of one call of fetch
	mails map[uint32]imapMail
	under uint32 // the UID that is being read; 0 = none yet

	mu   sync.Mutex
	read map[uint32]readMail
}

type readMail struct {
	event connectors.Event
	err   error
}

// blames tells whether a mail may be why the connection broke.
func (f *imapFetch) blames(mail imapMail) bool {
	return f.under == 0 || f.under == mail.place.uid
}

// ask fetches one section of mails. It streams: while one is written to disk the next
// one comes.
func (f *imapFetch) ask(set imap.UIDSet, section *imap.FetchItemBodySection) error {
	if len(set) == 0 {
		return nil
	}
	sum := int64(0)
	for _, mail := range f.mails {
		sum += mail.size
	}
	atMost := commandLength*f.s.d.host.timeout + time.Duration(sum/slowest)*time.Second
	end := f.s.guard.watch(atMost)
	var workers errgroup.Group
	workers.SetLimit(readers)
	command := f.s.client.Fetch(set, &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}})
	for message := command.Next(); message != nil; message = command.Next() {
		mail, asked := imapMail{}, false
		for item := message.Next(); item != nil; item = message.Next() {
			switch item := item.(type) {
			case imapclient.FetchItemDataUID:
				mail, asked = f.mails[uint32(item.UID)]
			case imapclient.FetchItemDataBodySection:
				if asked && item.Literal != nil {
					f.under = mail.place.uid
					f.stream(&workers, mail, item.Literal)
				}
			}
		}
	}
	err := command.Close()
	end()
	_ = workers.Wait() // what failed is in read
	return err
}

// stream hands a literal on to a worker until its end.
func (f *imapFetch) stream(workers *errgroup.Group, mail imapMail, literal imap.LiteralReader) {
	from, to := io.Pipe()
	workers.Go(func() error {
		whole := mail.size <= f.s.d.maxSize
		event, err := f.s.d.read(f.ctx, from, mail.received, whole, mail.size)
		from.CloseWithError(io.ErrClosedPipe) // what is not read is not wanted
		f.mu.Lock()
		defer f.mu.Unlock()
		f.read[mail.place.uid] = readMail{event, err}
		return nil
	})
	counted := &readCount{r: literal}
	_, err := io.Copy(to, counted)
	if errors.Is(err, io.ErrClosedPipe) { // the worker wants no more
		_, err = io.Copy(io.Discard, counted)
	}
	if counted.n < literal.Size() {
		// A mail that broke off is no mail. The library would read on in it while it
		// also reads the next response: let it end first.
		err = io.ErrUnexpectedEOF
		_ = f.s.guard.Close()
		<-f.s.client.Closed()
	}
	to.CloseWithError(err)
}

// readCount knows how much was read.
type readCount struct {
	r io.Reader
	n int64
}

func (c *readCount) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}
