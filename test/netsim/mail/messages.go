package mail

import (
	"context"
	"fmt"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Message is one mail in a mailbox.
type Message struct {
	Folder   string
	UID      uint32
	Flags    []string
	Received time.Time
	Raw      []byte
}

// Messages lists the mails of a mailbox, folder by folder in the order of their names,
// in each by UID.
func (s *Server) Messages(address string) ([]Message, error) {
	var list []Message
	err := s.look(address, func(c *imapclient.Client) error {
		folders, err := c.List("", "*", nil).Collect()
		if err != nil {
			return err
		}
		for _, f := range folders {
			mails, err := fetch(c, f.Mailbox)
			if err != nil {
				return err
			}
			list = append(list, mails...)
		}
		return nil
	})
	return list, err
}

// Folder lists the mails of one folder, by UID; none where there is no such folder.
func (s *Server) Folder(address, folder string) ([]Message, error) {
	var list []Message
	err := s.look(address, func(c *imapclient.Client) error {
		mails, err := fetch(c, folder)
		if isCode(err, imap.ResponseCodeNonExistent) {
			return nil
		}
		list = mails
		return err
	})
	return list, err
}

// Count is how many mails a folder holds; 0 where there is no such folder.
func (s *Server) Count(address, folder string) (int, error) {
	box, err := s.box(address)
	if err != nil {
		return 0, err
	}
	status, err := box.user.Status(folder, &imap.StatusOptions{NumMessages: true})
	if isCode(err, imap.ResponseCodeNonExistent) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return int(*status.NumMessages), nil
}

// AwaitCount waits until a folder holds n mails, or ctx ends.
func (s *Server) AwaitCount(ctx context.Context, address, folder string, n int) error {
	box, err := s.box(address)
	if err != nil {
		return err
	}
	for {
		_, changed := box.at()
		have, err := s.Count(address, folder)
		if err != nil || have == n {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s of %s holds %d mails and not %d: %w", folder, address, have, n, ctx.Err())
		}
	}
}

// Renumber gives a folder another UIDVALIDITY and its mails new UIDs, and hangs up on
// its user, as hosts do that rebuild an index.
func (s *Server) Renumber(address, folder string) error {
	box, err := s.box(address)
	if err != nil {
		return err
	}
	box.moving.Lock()
	defer box.moving.Unlock()
	mails, err := s.Folder(address, folder)
	if err != nil {
		return err
	}
	if err := box.user.Delete(folder); err != nil {
		return err
	}
	if err := box.user.Create(folder, nil); err != nil {
		return err
	}
	for _, m := range mails {
		flags := make([]imap.Flag, len(m.Flags))
		for i, f := range m.Flags {
			flags[i] = imap.Flag(f)
		}
		if err := box.put(folder, m.Raw, &imap.AppendOptions{Flags: flags, Time: m.Received}); err != nil {
			return err
		}
	}
	s.Kick(address)
	return nil
}

// look reads a mailbox by IMAP, past the filter and its faults: the library's
// store can be read in no other way.
func (s *Server) look(address string, read func(c *imapclient.Client) error) error {
	box, err := s.box(address)
	if err != nil {
		return err
	}
	conn, err := s.inside(s.imapInner, nil)
	if err != nil {
		return err
	}
	defer s.leave(conn)
	c := imapclient.New(conn, nil)
	defer c.Close()
	if err := c.Login(box.address, "").Wait(); err != nil {
		return err
	}
	return read(c)
}

func fetch(c *imapclient.Client, folder string) ([]Message, error) {
	selected, err := c.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil || selected.NumMessages == 0 {
		return nil, err
	}
	whole := &imap.FetchItemBodySection{Peek: true}
	found, err := c.Fetch(imap.SeqSet{{Start: 1}}, &imap.FetchOptions{
		UID: true, Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{whole},
	}).Collect()
	if err != nil {
		return nil, err
	}
	list := make([]Message, len(found))
	for i, m := range found {
		list[i] = Message{Folder: folder, UID: uint32(m.UID), Received: m.InternalDate, Raw: m.FindBodySection(whole)}
		for _, f := range m.Flags {
			list[i].Flags = append(list[i].Flags, string(f))
		}
	}
	return list, nil
}
