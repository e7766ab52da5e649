package email

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-imap/v2"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// Examine implements connectors.Doctor:
//
//	network      connection and TLS
//	tls          how long the server's certificate lasts
//	credentials  the login
//	permissions  the mailbox is there, its mails can be marked as Done says, and the
//	             folders are there; what the server lacks (IDLE, MOVE, UIDPLUS)
//	backlog      how many mails wait
//
// The mailbox is only looked at (EXAMINE), and no folder is made.
func (d *imapHost) Examine(ctx context.Context, _ connectors.Examination) []connectors.Check {
	s := &imapSession{d: d, arrived: make(chan struct{}, 1)}
	defer s.close()
	err := s.why(ctx, s.open(ctx))
	checks := []connectors.Check{httpx.Reached(err), certificateCheck(s.guard), httpx.Accepted(err)}
	if err != nil {
		return append(checks, httpx.Unasked(connectors.CheckPermissions, err), httpx.Unasked(connectors.CheckBacklog, err))
	}
	return append(checks, s.examineMailbox(ctx)...)
}

func (s *imapSession) examineMailbox(ctx context.Context) []connectors.Check {
	err := s.do(func() error {
		_, err := s.client.Select(s.d.s.Mailbox, &imap.SelectOptions{ReadOnly: true}).Wait()
		return err
	})
	if refused, ok := errors.AsType[*imap.Error](err); ok {
		se := connectors.AsSendError(s.noMailbox(refused))
		return []connectors.Check{
			httpx.Failed(connectors.CheckPermissions, connectors.FaultConfig, se.Err.Error(), se.Hint),
			httpx.Unasked(connectors.CheckBacklog, se),
		}
	}
	if err == nil {
		var check connectors.Check
		if check, err = s.examineFolders(); err == nil {
			var uids []uint32
			if uids, err = s.list(1); err == nil {
				return []connectors.Check{check, backlogCheck(len(uids))}
			}
		}
	}
	err = s.why(ctx, err)
	return []connectors.Check{httpx.Unasked(connectors.CheckPermissions, err), httpx.Unasked(connectors.CheckBacklog, err)}
}

// examineFolders looks for what the mailbox needs and the server lacks.
func (s *imapSession) examineFolders() (connectors.Check, error) {
	check := connectors.Check{Name: connectors.CheckPermissions, State: connectors.CheckOK}
	prefix, delimiter, err := s.names()
	if err != nil {
		return check, err
	}
	wanted := map[string]string{"FailedFolder": s.d.s.FailedFolder}
	if s.d.s.Done == doneFolder {
		wanted["DoneFolder"] = s.d.s.DoneFolder
	}
	missing := 0
	for _, name := range wanted {
		there, err := s.hasFolder(serverName(name, prefix, delimiter))
		if err != nil {
			return check, err
		}
		if !there {
			missing++
		}
	}
	check.Found = fmt.Sprintf("the mailbox is there; offered: %s", s.offers())
	if missing > 0 {
		check.Found += "; folders that the gateway will make when it starts: " + fmt.Sprint(missing)
	}
	if !s.caps.Has(imap.CapUIDPlus) && (s.d.s.Done == doneDelete || !s.caps.Has(imap.CapMove)) {
		check.State, check.Fault = connectors.CheckWarning, connectors.FaultNetworkAnswer
		check.Cure = "Without MOVE and UIDPLUS mails that are done stay in the mailbox, marked as deleted: have a mail program empty it from time to time, or set Done to flag."
	}
	return check, nil
}

// offers lists what of the useful extensions there is.
func (s *imapSession) offers() string {
	var words []string
	for _, c := range []imap.Cap{imap.CapIdle, imap.CapMove, imap.CapUIDPlus} {
		if s.caps.Has(c) {
			words = append(words, string(c))
		} else {
			words = append(words, "no "+string(c))
		}
	}
	return strings.Join(words, ", ")
}

// manyWaiting is how many mails wait in a mailbox that is well.
const manyWaiting = 2 * maxWaiting

func backlogCheck(n int) connectors.Check {
	found := fmt.Sprintf("mails that wait: %d", n)
	if n > manyWaiting {
		check := httpx.Failed(connectors.CheckBacklog, connectors.FaultBacklog, found, "Start the gateway, or see in its status why it does not take them.")
		check.State = connectors.CheckWarning
		return check
	}
	return connectors.Check{Name: connectors.CheckBacklog, State: connectors.CheckOK, Found: found}
}
