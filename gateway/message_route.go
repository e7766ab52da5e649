package gateway

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/mail"
	"slices"
	"strings"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// readSending reads what the core wants to be sent. The error is for people at the
// core.
func readSending(info *simprot.MessageContentInfo) (*connectors.Message, error) {
	routing, err := readRouting(info.ExtendedFields)
	if err != nil {
		return nil, err
	}
	m := &connectors.Message{
		ID: info.MessageId.String(), SystemID: strings.Trim(info.DeliverySystemId, "<>"),
		InReplyTo: strings.Trim(info.InReplyToId, "<>"), References: routing.References,
		From: info.FromField, RemoteAddress: strings.TrimSpace(info.RemoteAddress),
		To: info.ToField, Cc: info.ToCcField, Bcc: info.ToBccField,
		Recipients: connectors.Recipients{To: routing.To, Cc: routing.Cc, Bcc: routing.Bcc, ReplyTo: routing.ReplyTo},
		ReceivedAt: info.ReceivedSentTime, Subject: info.SubjectField, HTML: info.BodyHtml, Text: info.BodyText, Culture: info.Culture,
	}
	if info.DraftTime != nil {
		m.WrittenAt = *info.DraftTime
	}
	to := &m.Recipients
	if len(to.To)+len(to.Cc)+len(to.Bcc) == 0 {
		if m.RemoteAddress == "" {
			return nil, errNobody
		}
		to.To = []string{m.RemoteAddress}
	}
	return m, nil
}

var (
	errNobody  = errors.New("the message has neither RemoteAddress nor recipients in ExtendedFields")
	errRouting = errors.New("ExtendedFields is not one JSON object with To, Cc, Bcc, ReplyTo and References as lists of text")
)

// readRouting reads ExtendedFields of SE_MESSAGE_SENDING. What it does not say cannot
// be guessed: it tells whom a message goes to.
func readRouting(text string) (r simprot.MessageRouting, err error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return r, nil
	}
	if text[0] != '{' {
		return r, errRouting
	}
	dec := json.NewDecoder(strings.NewReader(text))
	if dec.Decode(&r) != nil {
		return simprot.MessageRouting{}, errRouting
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return simprot.MessageRouting{}, errRouting
	}
	for _, list := range []*[]string{&r.To, &r.Cc, &r.Bcc, &r.ReplyTo, &r.References} {
		*list = slices.DeleteFunc(*list, func(s string) bool { return strings.TrimSpace(s) == "" })
	}
	for i, ref := range r.References {
		r.References[i] = strings.Trim(strings.TrimSpace(ref), "<>")
	}
	return r, nil
}

// recipientID names the conversation a message goes to: that of its first recipient,
// as a mail from there is named.
func recipientID(m *connectors.Message) string {
	to := m.Recipients
	first := cmp.Or(m.RemoteAddress, append(slices.Concat(to.To, to.Cc, to.Bcc), "")[0])
	if a, err := mail.ParseAddress(first); err == nil {
		first = a.Address
	}
	kind := "sms"
	if at := strings.LastIndexByte(first, '@'); at >= 0 {
		kind, first = "mail", first[:at]+strings.ToLower(first[at:])
	}
	id := connectors.TrackingID(kind, first)
	if len(id) > connectors.MaxTrackingID {
		sum := sha256.Sum256([]byte(first))
		id = connectors.TrackingID(kind, "h:"+hex.EncodeToString(sum[:]))
	}
	return id
}

// nameOutbound settles under which name a message goes, and what it answers. The name
// is the message's for good; a repeat that says where it goes in other words stays in
// the lane of the first.
func (g *Gateway) nameOutbound(ctx context.Context, lane *journal.Lane, m *connectors.Message) error {
	if err := g.thread(ctx, m); err != nil {
		return err
	}
	candidates := []string{m.ID} // of which a mail host makes a Message-ID
	if isMessageID(m.SystemID) {
		candidates = []string{m.SystemID, m.ID}
	}
	for _, id := range candidates {
		kept, err := g.journal.Claim(ctx, journal.Name{
			Channel: lane.Channel, Key: id, Owner: m.ID, TrackingID: lane.TrackingID, At: time.Now(),
			Value: []byte(toJSON(nameValue{MessageID: id, References: threadOf(m.References), Own: true})),
		})
		if err != nil {
			return err
		}
		m.SystemID = id
		if kept.Owner == m.ID {
			lane.TrackingID = kept.TrackingID
			return nil
		}
	}
	return nil
}

// thread puts the network's own names for those the core knows, and the thread where
// the core does not say it.
func (g *Gateway) thread(ctx context.Context, m *connectors.Message) error {
	if m.InReplyTo != "" {
		v, known, err := g.resolve(ctx, m.InReplyTo)
		if err != nil {
			return err
		}
		if known {
			m.InReplyTo = v.MessageID
			if len(m.References) == 0 {
				m.References = slices.Clone(v.References)
			}
		}
		if !known && !looksOwn(m.InReplyTo) {
			m.InReplyTo = "" // a name of ours that is not kept any more
		}
	}
	refs := make([]string, 0, len(m.References)+1)
	for _, ref := range m.References {
		if !looksOwn(ref) {
			v, _, err := g.resolve(ctx, ref)
			if err != nil {
				return err
			}
			ref = v.MessageID
		}
		if ref != "" && !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	if m.InReplyTo != "" {
		refs = append(slices.DeleteFunc(refs, func(ref string) bool { return ref == m.InReplyTo }), m.InReplyTo)
	}
	m.References = threadOf(refs)
	return nil
}

// looksOwn tells a network's own name from one that was shortened or derived here.
func looksOwn(id string) bool {
	return !strings.HasPrefix(id, "h:") && !strings.HasPrefix(id, derivedPrefix)
}

// isMessageID tells whether a proposal can be a mail's Message-ID (RFC 5322 3.6.4, its
// dot-atom forms only).
func isMessageID(id string) bool {
	left, right, ok := strings.Cut(id, "@")
	return ok && len(id) <= simprot.MaxDeliverySystemID && isDotAtom(left) && isDotAtom(right)
}

func isDotAtom(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for _, c := range []byte(atom) {
			plain := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
			if !plain && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) < 0 {
				return false
			}
		}
	}
	return true
}
