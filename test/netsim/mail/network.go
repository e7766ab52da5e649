package mail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	gomail "github.com/wneessen/go-mail"

	"servicelink/test/netsim/control"
)

// As a network of package control an account is a mailbox, a chat one of its folders,
// and a message a mail there. Actions are
//
//	mail     Text from the mailbox to the addresses in Chat, Title its subject, with
//	         File; Message is the id of the mail it answers
//	delete   the mail Message
//	renumber the folder Chat: Renumber
//	drop     Kick
//
// A mail's id is FOLDER/UID; File gives the mail itself by it, and by FOLDER/UID/N its
// Nth attachment.
var _ control.Network = (*Server)(nil)

// sentFolder is where a mailbox keeps what Act wrote in its name.
const sentFolder = "Sent"

// Ports are where a host listens.
type Ports struct {
	SMTP  string `json:"smtp"`
	SMTPS string `json:"smtps"`
	IMAP  string `json:"imap"`
	IMAPS string `json:"imaps"`
	CA    string `json:"ca"` // PEM
}

// SettingsJSON tells where the host listens.
func (s *Server) SettingsJSON() any {
	return Ports{SMTP: s.SMTP(), SMTPS: s.SMTPS(), IMAP: s.IMAP(), IMAPS: s.IMAPS(), CA: string(s.CA())}
}

// API serves nothing: mail has no HTTP.
func (s *Server) API() http.Handler { return http.NotFoundHandler() }

// Set implements control.Network.
func (s *Server) Set([]byte) error {
	return fmt.Errorf("%w: a mail host has no settings", control.ErrAction)
}

// account is a mailbox in JSON.
type account struct {
	Account  string   `json:"account"`
	Password string   `json:"password"`
	Token    string   `json:"token,omitempty"`
	Aliases  []string `json:"aliases,omitempty"`
}

// Accounts implements control.Network.
func (s *Server) Accounts() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]account, 0, len(s.order))
	for _, box := range s.order {
		a := account{Account: box.address}
		box.mu.Lock()
		a.Password, a.Token = box.password, box.token
		box.mu.Unlock()
		for name, of := range s.boxes {
			if of == box && !strings.EqualFold(name, box.address) {
				a.Aliases = append(a.Aliases, name)
			}
		}
		slices.Sort(a.Aliases)
		list = append(list, a)
	}
	return list
}

// AddAccountJSON adds a mailbox or changes it.
func (s *Server) AddAccountJSON(raw []byte) error {
	var a account
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return fmt.Errorf("%w: %w", control.ErrAction, err)
	}
	if err := s.AddMailbox(a.Account, a.Password); err != nil {
		return err
	}
	for _, alias := range a.Aliases {
		if err := s.AddAlias(alias, a.Account); err != nil {
			return err
		}
	}
	return s.SetToken(a.Account, a.Token)
}

// Inject puts a mail into an INBOX as it is.
func (s *Server) Inject(account string, raw []byte) error { return s.Append(account, raw) }

// Act implements control.Network; see the list above.
func (s *Server) Act(account string, a control.Action) (control.ID, error) {
	box, err := s.box(account)
	if err != nil {
		return "", err
	}
	switch a.Do {
	case "mail":
		return s.write(box, a)
	case "delete":
		return a.Message, s.remove(box, a.Message)
	case "renumber":
		return "", s.Renumber(account, string(a.Chat))
	case "drop":
		s.Kick(account)
		return "", nil
	}
	return "", fmt.Errorf("%w: a mailbox has no %q", control.ErrAction, a.Do)
}

// write sends a mail in a mailbox' name.
func (s *Server) write(from *mailbox, a control.Action) (control.ID, error) {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := m.From(from.address); err != nil {
		return "", fmt.Errorf("%w: %w", control.ErrAction, err)
	}
	if err := m.ToFromString(string(a.Chat)); err != nil {
		return "", fmt.Errorf("%w: %w", control.ErrAction, err)
	}
	m.Subject(a.Title)
	m.SetDate()
	id := fmt.Sprintf("%d.%d@%s", time.Now().UnixNano(), s.Int(1<<40), s.o.Name)
	m.SetMessageIDWithValue(id)
	m.SetBodyString(gomail.TypeTextPlain, a.Text)
	if a.Message != "" {
		answered, err := s.mail(from, a.Message)
		if err != nil {
			return "", err
		}
		m.SetGenHeader("In-Reply-To", "<"+answered.id+">")
		m.SetGenHeader("References", strings.TrimSpace(answered.references+" <"+answered.id+">"))
	}
	if a.File != nil {
		m.AttachReadSeeker(a.File.Name, bytes.NewReader(a.File.Data), gomail.WithFileContentType(gomail.ContentType(a.File.Type)))
	}
	var raw bytes.Buffer
	if _, err := m.WriteTo(&raw); err != nil {
		return "", err
	}
	var to []string
	var boxes []*mailbox
	for _, a := range m.GetTo() {
		box, err := s.box(a.Address)
		if err != nil {
			return "", err
		}
		to, boxes = append(to, a.Address), append(boxes, box)
	}
	s.deliver(Delivery{From: from.address, To: to, Raw: raw.Bytes(), At: time.Now()}, boxes)
	return control.ID(id), from.append(sentFolder, raw.Bytes(), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}})
}

// cutID takes a mail's id apart.
func cutID(id control.ID) (folder string, uid imap.UID, err error) {
	at := strings.LastIndexByte(string(id), '/')
	n, bad := strconv.ParseUint(string(id)[at+1:], 10, 32)
	if at < 0 || bad != nil {
		return "", 0, fmt.Errorf("%w: %q is no FOLDER/UID", control.ErrAction, id)
	}
	return string(id)[:at], imap.UID(n), nil
}

func (s *Server) remove(box *mailbox, id control.ID) error {
	folder, uid, err := cutID(id)
	if err != nil {
		return err
	}
	return s.look(box.address, func(c *imapclient.Client) error {
		if _, err := c.Select(folder, nil).Wait(); err != nil {
			return unknown(err)
		}
		set := imap.UIDSetNum(uid)
		if err := c.Store(set, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}, Silent: true}, nil).Close(); err != nil {
			return err
		}
		return c.UIDExpunge(set).Close()
	})
}

func unknown(err error) error {
	if isCode(err, imap.ResponseCodeNonExistent) {
		return control.ErrUnknown
	}
	return err
}

// Chats lists the folders of a mailbox.
func (s *Server) Chats(address string) ([]control.ChatInfo, error) {
	box, err := s.box(address)
	if err != nil {
		return nil, err
	}
	version, _ := box.at()
	list := []control.ChatInfo{}
	err = s.look(address, func(c *imapclient.Client) error {
		folders, err := c.List("", "*", nil).Collect()
		for _, f := range folders {
			list = append(list, control.ChatInfo{Chat: control.ID(f.Mailbox), Type: "folder", Name: f.Mailbox, Version: version})
		}
		return err
	})
	return list, err
}

// Chat shows a folder.
func (s *Server) Chat(ctx context.Context, address string, folder control.ID, after int64) (control.Conversation, error) {
	box, err := s.box(address)
	if err != nil {
		return control.Conversation{}, err
	}
	for {
		version, changed := box.at()
		if version > after || ctx.Err() != nil {
			mails, err := s.Folder(address, string(folder))
			shown := control.Conversation{Version: version, Messages: make([]control.Message, len(mails))}
			for i, m := range mails {
				shown.Messages[i] = show(box, m)
			}
			return shown, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// show is a mail as a page shows it: Caption its subject, Contact its sender.
func show(box *mailbox, m Message) control.Message {
	read := readMail(m.Raw)
	id := m.Folder + "/" + strconv.FormatUint(uint64(m.UID), 10)
	address := func(id string) string {
		return "/control/mail/file/" + url.PathEscape(box.address) + "/" + url.PathEscape(id)
	}
	shown := control.Message{
		ID: control.ID(id), From: control.FromAgent, Kind: "mail", Caption: read.subject, Text: read.text,
		Contact: &control.Contact{Name: read.from}, ReplyTo: control.ID(read.answers), At: m.Received,
		File:  &control.File{Name: "mail.eml", Type: "message/rfc822", Size: int64(len(m.Raw)), URL: address(id)},
		State: strings.Join(m.Flags, " "), Mail: &control.Mail{ID: read.id, To: read.to, HTML: read.html},
	}
	for id := range strings.FieldsSeq(read.references) {
		shown.Mail.References = append(shown.Mail.References, strings.Trim(id, "<>"))
	}
	if strings.Contains(strings.ToLower(read.from), strings.ToLower(box.address)) {
		shown.From = control.FromCustomer
	}
	for i, f := range read.files {
		f.URL, f.Size, f.Data = address(id+"/"+strconv.Itoa(i+1)), int64(len(f.Data)), nil
		shown.More = append(shown.More, f)
	}
	return shown
}

// File gives a mail, or a file in it.
func (s *Server) File(address, id string) (control.File, error) {
	box, err := s.box(address)
	if err != nil {
		return control.File{}, err
	}
	if m, err := s.mail(box, control.ID(id)); err == nil {
		return control.File{Name: "mail.eml", Type: "message/rfc822", Data: m.raw}, nil
	}
	at := strings.LastIndexByte(id, '/')
	n, bad := strconv.Atoi(id[at+1:])
	if at < 0 || bad != nil {
		return control.File{}, control.ErrUnknown
	}
	m, err := s.mail(box, control.ID(id[:at]))
	if err != nil {
		return control.File{}, err
	}
	if n < 1 || n > len(m.files) {
		return control.File{}, control.ErrUnknown
	}
	return m.files[n-1], nil
}

// mail reads one mail.
func (s *Server) mail(box *mailbox, id control.ID) (readable, error) {
	folder, uid, err := cutID(id)
	if err != nil {
		return readable{}, err
	}
	mails, err := s.Folder(box.address, folder)
	if err != nil {
		return readable{}, err
	}
	for _, m := range mails {
		if m.UID == uint32(uid) {
			return readMail(m.Raw), nil
		}
	}
	return readable{}, errors.Join(control.ErrUnknown, fmt.Errorf("mail %s", id))
}
