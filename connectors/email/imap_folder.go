package email

import (
	"errors"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"servicelink/connectors"
)

// prepare opens the mailbox and sees to it that what is done can be marked.
func (s *imapSession) prepare() (err error) {
	if err := s.selectMailbox(); err != nil {
		return err
	}
	if s.d.s.Done == doneFlag && !s.takesKeyword() {
		return failed(connectors.ReasonContent, "the mailbox takes no flags of our own", "Set Done to folder or delete: the server does not let the mailbox have the flag "+doneKeyword+".")
	}
	prefix, delimiter, err := s.names()
	if err != nil {
		return err
	}
	if s.failed, err = s.folder("FailedFolder", s.d.s.FailedFolder, prefix, delimiter); err != nil || s.d.s.Done != doneFolder {
		return err
	}
	s.done, err = s.folder("DoneFolder", s.d.s.DoneFolder, prefix, delimiter)
	return err
}

// takesKeyword: by PERMANENTFLAGS, and without it every flag may be set.
func (s *imapSession) takesKeyword() bool {
	return s.flags == nil || slices.ContainsFunc(s.flags, func(f imap.Flag) bool {
		return f == imap.FlagWildcard || strings.EqualFold(string(f), doneKeyword)
	})
}

// names asks how folders are named: what the user's own begin with, and what stands
// between a folder and one within it.
func (s *imapSession) names() (prefix string, delimiter rune, err error) {
	err = s.do(func() error {
		if s.caps.Has(imap.CapNamespace) {
			data, err := s.client.Namespace().Wait()
			if err == nil && len(data.Personal) > 0 {
				prefix, delimiter = data.Personal[0].Prefix, data.Personal[0].Delim
				return nil
			}
			if refused, ok := errors.AsType[*imap.Error](err); err != nil && (!ok || refused == nil) {
				return err
			}
		}
		list, err := s.client.List("", "", nil).Collect()
		if err == nil && len(list) > 0 {
			delimiter = list[0].Delim
		}
		return err
	})
	return prefix, delimiter, err
}

// serverName is a folder's name as the server writes it.
func serverName(name, prefix string, delimiter rune) string {
	if delimiter != 0 && delimiter != '/' {
		name = strings.ReplaceAll(name, "/", string(delimiter))
	}
	if !strings.HasPrefix(name, prefix) {
		name = prefix + name
	}
	return name
}

// folder finds a folder, or makes it.
func (s *imapSession) folder(setting, name, prefix string, delimiter rune) (string, error) {
	name = serverName(name, prefix, delimiter)
	there, err := s.hasFolder(name)
	if err != nil || there {
		return name, err
	}
	err = s.create(name)
	if refused, ok := errors.AsType[*imap.Error](err); ok {
		return "", failed(connectors.ReasonServer, "the folder in "+setting+" is missing and cannot be made"+codeText(refused), "Make it in a mail program, or set "+setting+" to one that is there.")
	}
	return name, err
}

func (s *imapSession) hasFolder(name string) (there bool, err error) {
	err = s.do(func() error {
		list, err := s.client.List("", name, nil).Collect()
		there = slices.ContainsFunc(list, func(l *imap.ListData) bool {
			return !slices.Contains(l.Attrs, imap.MailboxAttrNonExistent) && !slices.Contains(l.Attrs, imap.MailboxAttrNoSelect)
		})
		return err
	})
	return there, err
}

func (s *imapSession) create(name string) error {
	err := s.do(func() error { return s.client.Create(name, nil).Wait() })
	if refused, ok := errors.AsType[*imap.Error](err); ok && refused.Code == imap.ResponseCodeAlreadyExists {
		return nil
	}
	if err != nil {
		return err
	}
	err = s.do(func() error { return s.client.Subscribe(name).Wait() })
	if _, ok := errors.AsType[*imap.Error](err); ok {
		return nil // mail programs may not show it; that is all
	}
	return err
}

// mark does at the server what has ended: nothing of it before.
func (s *imapSession) mark() error {
	if err := s.current(); err != nil {
		return err
	}
	done, dead := s.d.unmarked()
	if err := s.markAll(dead, func(set imap.UIDSet) error { return s.move(set, s.failed) }); err != nil {
		return err
	}
	return s.markAll(done, func(set imap.UIDSet) error {
		switch s.d.s.Done {
		case doneFlag:
			return s.store(set, doneKeyword)
		case doneDelete:
			return s.remove(set)
		default:
			return s.move(set, s.done)
		}
	})
}

func (s *imapSession) markAll(places []imapPlace, how func(imap.UIDSet) error) error {
	if len(places) == 0 {
		return nil
	}
	var set imap.UIDSet
	for _, p := range places {
		set.AddNum(imap.UID(p.uid))
	}
	if err := how(set); err != nil {
		return err
	}
	s.d.marked(places)
	return nil
}

// move moves mails. The folder may have been deleted since it was found.
func (s *imapSession) move(set imap.UIDSet, folder string) error {
	err := s.moveOnce(set, folder)
	if refused, ok := errors.AsType[*imap.Error](err); ok &&
		(refused.Code == imap.ResponseCodeTryCreate || refused.Code == imap.ResponseCodeNonExistent) {
		if err := s.create(folder); err != nil {
			return err
		}
		return s.moveOnce(set, folder)
	}
	return err
}

// moveOnce does not use the library's stand-in for MOVE: without UIDPLUS that deletes
// whatever anybody has marked as deleted.
func (s *imapSession) moveOnce(set imap.UIDSet, folder string) error {
	if s.caps.Has(imap.CapMove) {
		return s.do(func() error {
			_, err := s.client.Move(set, folder).Wait()
			return err
		})
	}
	err := s.do(func() error {
		_, err := s.client.Copy(set, folder).Wait()
		return err
	})
	if err != nil {
		return err
	}
	return s.remove(set)
}

// remove deletes mails, and no others. A server without UIDPLUS cannot do that: there
// they stay, marked as deleted, and are listed no more.
func (s *imapSession) remove(set imap.UIDSet) error {
	if err := s.store(set, imap.FlagDeleted); err != nil || !s.caps.Has(imap.CapUIDPlus) {
		return err
	}
	return s.do(func() error { return s.client.UIDExpunge(set).Close() })
}

func (s *imapSession) store(set imap.UIDSet, flag imap.Flag) error {
	return s.do(func() error {
		return s.client.Store(set, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{flag}}, nil).Close()
	})
}
