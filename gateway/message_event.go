package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// claimsAtOnce is how many names of one delivery are claimed at a time: the journal
// commits them together.
const claimsAtOnce = 16

// messageEntries translates events of a message gateway into what the journal keeps.
// What a network says of a message of ours comes as a message of its own; a notice is
// of no use here.
func (g *Gateway) messageEntries(ctx context.Context, ch *channel, events []connectors.Event) ([]journal.Entry, error) {
	entries := make([]journal.Entry, 0, len(events))
	var work errgroup.Group
	work.SetLimit(claimsAtOnce)
	for _, ev := range events {
		if ev.Kind == connectors.KindNotice {
			ch.metrics.ignored("notice", 1)
			continue
		}
		entries = append(entries, journal.Entry{})
		e := &entries[len(entries)-1] // it stays there: there is room for all of them
		work.Go(func() (err error) {
			*e, err = g.messageEntry(ctx, ch, ev)
			return err
		})
	}
	return entries, work.Wait()
}

func (g *Gateway) messageEntry(ctx context.Context, ch *channel, ev connectors.Event) (journal.Entry, error) {
	m := ch.toMessage(ev)
	e := journal.Entry{
		Lane: journal.Lane{Channel: ch.cfg.Name, Direction: journal.In, TrackingID: ev.TrackingID},
		ID:   ev.ID, SentAt: m.ReceivedAt,
		Party: &journal.Party{
			RemoteAddress: valid(m.RemoteAddress), PartyName: simprot.Truncate(valid(cmp.Or(ev.Customer.PartyName, m.From)), simprot.MaxPartyName),
			Culture: valid(m.Culture),
		},
	}
	named := m.SystemID
	if utf8.RuneCountInString(m.RemoteAddress) > simprot.MaxRemoteAddress || m.RemoteAddress == "" ||
		len(ev.TrackingID) > simprot.MaxTrackingID || ev.TrackingID == "" || ev.ID == "" || len(ev.ID) > simprot.MaxID {
		e.DeadReason = string(connectors.ReasonAddress)
		// The key must stay within what a journal can index.
		e.Lane.TrackingID = simprot.ShortenID(cmp.Or(ev.TrackingID, "none"), simprot.MaxTrackingID)
		e.ID = simprot.ShortenID(ev.ID, simprot.MaxID)
		e.Party.RemoteAddress = simprot.Truncate(e.Party.RemoteAddress, simprot.MaxRemoteAddress)
	}
	if m.Auto == "" {
		own, err := g.isOwn(ctx, named)
		if err != nil {
			return e, err
		}
		if own {
			m.Auto = connectors.AutoLoop
		}
	}
	id, err := g.claimInbound(ctx, e.Lane, e.ID, named, m)
	if err != nil {
		return e, err
	}
	info := m.info(ch, id)
	e.Content = (&content{Kind: string(ev.Kind), NetworkID: id, Message: encodeMessage(info)}).encode()
	return e, nil
}

// inbound is a device's message with what an event says beside it.
type inbound struct{ connectors.Message }

// toMessage makes a message of an event of any kind: a short message is its text, as
// in a chat.
func (ch *channel) toMessage(ev connectors.Event) inbound {
	if ev.Message != nil {
		m := inbound{*ev.Message}
		m.RemoteAddress = cmp.Or(m.RemoteAddress, ev.Customer.RemoteAddress)
		if m.ReceivedAt.IsZero() {
			m.ReceivedAt = time.Now()
		}
		return m
	}
	ev.File = ch.media.announced(ch.cfg.Name, ev.File, time.Now())
	text, _ := eventText(ev)
	if ev.Kind == connectors.KindStop {
		text = cmp.Or(ev.Text, "The customer wants no more messages.")
	}
	m := connectors.Message{
		SystemID: ev.NetworkID, InReplyTo: ev.RefID, From: cmp.Or(ev.Customer.PartyName, ev.Customer.RemoteAddress),
		RemoteAddress: ev.Customer.RemoteAddress, ReceivedAt: ev.SentAt, Text: text, Culture: ev.Customer.Culture,
	}
	if m.ReceivedAt.IsZero() || m.ReceivedAt.After(time.Now()) {
		m.ReceivedAt = time.Now()
	}
	return inbound{m}
}

// info is what the core is told of a message, but its RequestId. Bodies are without
// the links of its files, which are put behind them when it is written.
func (m *inbound) info(ch *channel, id string) *simprot.MessageContentInfo {
	text, cutText := cutBody(valid(m.Text), connectors.MaxBody, false)
	html, cutHTML := cutBody(valid(m.HTML), connectors.MaxBody, true)
	fields := m.fields()
	if cutText || cutHTML {
		fields.Problem = cmp.Or(fields.Problem, cutProblem)
	}
	info := &simprot.MessageContentInfo{
		DeliverySystemId: id,
		InReplyToId:      simprot.ShortenID(valid(m.InReplyTo), simprot.MaxDeliverySystemID),
		GatewayId:        ch.gatewayID(),
		FromField:        simprot.Truncate(valid(cmp.Or(m.From, m.RemoteAddress)), simprot.MaxFromField),
		RemoteAddress:    valid(m.RemoteAddress),
		ToField:          simprot.Truncate(valid(m.To), simprot.MaxAddressField),
		ToCcField:        simprot.Truncate(valid(m.Cc), simprot.MaxAddressField),
		ToBccField:       simprot.Truncate(valid(m.Bcc), simprot.MaxAddressField),
		SubjectField:     simprot.Truncate(valid(m.Subject), simprot.MaxSubjectField),
		Direction:        simprot.DirectionIn,
		ReceivedSentTime: m.ReceivedAt.UTC(),
		BodyText:         text, BodyHtml: html,
		Culture: valid(m.Culture), SpamLevel: m.Spam, SignatureValidity: m.Signature,
		ExtendedFields: fieldsText(fields),
	}
	if !m.WrittenAt.IsZero() {
		written := m.WrittenAt.UTC()
		info.DraftTime = &written
	}
	return info
}

// Limits of what MessageFields lists.
const (
	maxListedFiles = 200
	maxListedRefs  = 100
	maxFieldRunes  = 500 // of a text in it that a stranger wrote
)

// fields is what a gateway knows of a message beyond the core's members.
func (m *inbound) fields() *simprot.MessageFields {
	short := func(s string) string { return simprot.Truncate(valid(s), maxFieldRunes) }
	f := &simprot.MessageFields{Auto: m.Auto, ReplyTo: short(m.ReplyTo), Problem: short(m.Problem)}
	if r := m.Report; r != nil {
		f.Report = &simprot.DeliveryReport{Action: short(r.Action), Status: short(r.Status), Recipient: short(r.Recipient), Reason: short(r.Reason)}
	}
	for _, ref := range threadOf(m.References) {
		f.References = append(f.References, valid(ref))
	}
	for i, file := range m.Files {
		last := i == len(m.Files)-1
		if i >= maxListedFiles && !last {
			continue // the original has all of them
		}
		f.Files = append(f.Files, simprot.FileFields{
			Name: short(file.Name), Type: short(file.Type), Size: file.Size, URL: valid(file.URL),
			Original: file.Original,
		})
	}
	return f
}

// threadOf bounds the names of a thread: the first, and the latest.
func threadOf(refs []string) []string {
	if len(refs) <= maxListedRefs {
		return refs
	}
	return append([]string{refs[0]}, refs[len(refs)-maxListedRefs+1:]...)
}

func fieldsText(f *simprot.MessageFields) string {
	text := toJSON(f)
	if text == "{}" {
		return ""
	}
	return text
}

// toJSON writes a value that cannot fail to be written, angle brackets as they are.
func toJSON(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("gateway: %T has no JSON", v)) // a mistake in this package
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// encodeMessage is what the journal keeps of a message.
func encodeMessage(v any) string { return toJSON(v) }

// decodeMessage reads what encodeMessage wrote into v.
func decodeMessage(row *journal.Row, v any) error {
	c, err := decodeContent(row.Content)
	if err != nil {
		return err
	}
	if c.Message == "" {
		return errNoMessage
	}
	if err := json.Unmarshal([]byte(c.Message), v); err != nil {
		return errNoMessage // the text of the other would tell what is in it
	}
	return nil
}

// messageText is what a message says, for who may read content; empty: the row is
// none.
func messageText(row *journal.Row) string {
	var subject, text string
	if row.Lane.Direction == journal.In {
		var info simprot.MessageContentInfo
		_ = decodeMessage(row, &info) // what cannot be read has no text
		subject, text = info.SubjectField, cmp.Or(info.BodyText, info.BodyHtml)
	} else {
		var m connectors.Message
		_ = decodeMessage(row, &m) // the same
		subject, text = m.Subject, cmp.Or(m.Text, m.HTML)
	}
	return strings.TrimPrefix(subject+"\n\n"+text, "\n\n")
}
