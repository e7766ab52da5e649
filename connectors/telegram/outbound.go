package telegram

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"

	"github.com/go-telegram/bot/models"

	"servicelink/connectors"
)

// outgoing is what the send methods are told: one struct for all, as they differ
// in the name of their content only. The library's own parameters do not serve:
// as JSON they do not escape a file's address, and each button gets an empty
// copy_text.
type outgoing struct {
	conversation
	Text            string                  `json:"text,omitempty"`
	Photo           string                  `json:"photo,omitempty"`
	Video           string                  `json:"video,omitempty"`
	Animation       string                  `json:"animation,omitempty"`
	Audio           string                  `json:"audio,omitempty"`
	Voice           string                  `json:"voice,omitempty"`
	Document        string                  `json:"document,omitempty"`
	Caption         string                  `json:"caption,omitempty"`
	ReplyParameters *models.ReplyParameters `json:"reply_parameters,omitempty"`
	ReplyMarkup     *inlineKeyboard         `json:"reply_markup,omitempty"`
}

type inlineKeyboard struct {
	InlineKeyboard [][]inlineButton `json:"inline_keyboard"`
}

type inlineButton struct {
	Text         string `json:"text"`
	CallbackData string `json:"callback_data"`
}

// message is one part on its way.
type message struct {
	params outgoing
	file   *connectors.OutFile // nil = text
	kind   fileKind
	plain  bool // as a document, whatever it is
	upload bool // the file's bytes instead of its address
	moved  bool // to the supergroup that the group became
}

// Send implements connectors.Connector. A refusal that says how the same message
// would be taken - the group has moved, the topic or the answered message is gone,
// the file cannot be fetched - is followed by another call at once. It is still
// one attempt: Telegram has certainly not taken what it refused, so only the last
// call can have sent a message, and its outcome is Send's.
//
// The text goes out without parse_mode: it is shown as the agent wrote it.
func (c *Connector) Send(ctx context.Context, part connectors.Part) (connectors.Receipt, error) {
	conv, ok := conversationOf(part.To.TrackingID)
	if !ok {
		return connectors.Receipt{}, nobody()
	}
	m, err := newMessage(conv, part)
	if err != nil {
		return connectors.Receipt{}, err
	}
	m.params.Chat = c.moves.now(conv.Chat)
	for {
		id, err := c.deliver(ctx, m)
		if err == nil {
			return connectors.Receipt{NetworkID: id}, nil
		}
		refused, ok := errors.AsType[*apiError](err)
		if !ok {
			return connectors.Receipt{}, err
		}
		if r, _ := ruleOf(refused); !m.mended(r.mend, refused.MigrateTo) {
			return connectors.Receipt{}, classify(refused)
		}
		if m.moved {
			c.moves.note(conv.Chat, m.params.Chat)
		}
	}
}

func nobody() error {
	return &connectors.SendError{
		Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound,
		Err: errors.New("TrackingId is not one of Telegram's"),
	}
}

func newMessage(conv conversation, part connectors.Part) (*message, error) {
	m := &message{file: part.File, params: outgoing{
		conversation:    conv,
		ReplyParameters: replyTo(part.ReplyTo, conv.Chat),
		ReplyMarkup:     keyboard(part.Buttons),
	}}
	if part.File == nil {
		m.params.Text = part.Text
		if strings.TrimSpace(part.Text) == "" { // Telegram has no message of buttons alone
			m.params.Text = titles(part.Buttons)
		}
		return m, nil
	}
	m.params.Caption = part.Text
	m.kind = kindOf(part.File, "")
	return m, m.checkFile()
}

// mended changes what how says. false: there is nothing to change, or it was
// changed before.
func (m *message) mended(how mend, migrateTo int64) bool {
	switch how {
	case migrated:
		if m.moved || migrateTo == 0 {
			return false
		}
		m.params.Chat, m.moved = migrateTo, true
	case noTopic:
		if m.params.Topic == 0 {
			return false
		}
		m.params.Topic = 0
	case noReply:
		if m.params.ReplyParameters == nil {
			return false
		}
		m.params.ReplyParameters = nil
	case byUpload:
		if !m.canUpload() {
			return false
		}
		m.upload = true
	case bigFile:
		return m.mended(byUpload, 0) || m.mended(aDocument, 0)
	case aDocument:
		if m.file == nil || m.kind == document {
			return false
		}
		// By address Telegram takes only few kinds of documents.
		m.kind, m.plain, m.upload = document, true, m.upload || m.canUpload()
	default:
		return false
	}
	return true
}

// deliver makes the one call that shows the message, and gives its id.
func (c *Connector) deliver(ctx context.Context, m *message) (id string, err error) {
	var result json.RawMessage
	switch {
	case m.file == nil:
		err = c.call(ctx, "sendMessage", m.params, &result)
	case m.upload:
		err = c.uploadFile(ctx, m, &result)
	default:
		m.params.setFile(m.kind, m.file.URL)
		err = c.callBy(ctx, c.client, fetchTime, m.kind.method(), m.params, &result)
	}
	if err != nil {
		return "", err
	}
	var sent struct {
		MessageID int64 `json:"message_id"`
	}
	// It is sent, whatever else can be read of it.
	if _ = json.Unmarshal(result, &sent); sent.MessageID == 0 {
		return "", nil
	}
	return decimal(sent.MessageID), nil
}

// replyTo names the answered message: by its number, or as messageName does. What is of another chat or no message is left out; one that
// was deleted meanwhile is left out by Telegram.
func replyTo(id string, chat int64) *models.ReplyParameters {
	if in, message, found := strings.Cut(id, ":"); found {
		if in != decimal(chat) {
			return nil
		}
		id = message
	}
	n, err := strconv.ParseInt(id, 10, 32)
	if err != nil || n <= 0 {
		return nil
	}
	return &models.ReplyParameters{MessageID: int(n), AllowSendingWithoutReply: true}
}

// keyboard shows one button a row, so that titles are not cut.
func keyboard(buttons []connectors.Button) *inlineKeyboard {
	if len(buttons) == 0 {
		return nil
	}
	rows := make([][]inlineButton, len(buttons))
	for i, b := range buttons {
		rows[i] = []inlineButton{{Text: b.Text, CallbackData: b.ID}}
	}
	return &inlineKeyboard{InlineKeyboard: rows}
}

func titles(buttons []connectors.Button) string {
	list := make([]string, len(buttons))
	for i, b := range buttons {
		list[i] = b.Text
	}
	return strings.Join(list, "\n")
}

// moves are the groups that became supergroups, which have another chat id. They
// are learned again after a restart: the old id is refused with the new one.
type moves struct {
	mu sync.Mutex
	to map[int64]int64
}

// now gives the chat that chat is today.
func (v *moves) now(chat int64) int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	if to, ok := v.to[chat]; ok {
		return to
	}
	return chat
}

func (v *moves) note(from, to int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.to == nil {
		v.to = make(map[int64]int64)
	}
	v.to[from] = to
}
