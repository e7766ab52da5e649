package gateway

import (
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/simprot"
)

// manifest is what the core is told of a channel: its Capabilities in the words of
// the protocol.
func (ch *channel) manifest() *simprot.PortManifest { return Manifest(ch.cfg, ch.caps) }

// Manifest says what a channel's Port can show, as the core is told with every
// RESYNC.
func Manifest(cfg config.Channel, caps connectors.Capabilities) *simprot.PortManifest {
	m := &simprot.PortManifest{
		Network:   cfg.Network,
		TextLimit: int32(caps.TextLimit), TextUnit: textUnit(caps.TextUnit), //nolint:gosec // limits of networks are far below
		Files:   caps.Files,
		Buttons: int32(caps.Buttons), //nolint:gosec // as above
		Replies: caps.Replies, Templates: caps.Templates, Typing: caps.Typing, ReadMark: caps.ReadMark,
		Delivered:   cfg.Confirm == config.ConfirmDelivered,
		ReplyWindow: seconds(caps.ReplyWindow), LateWindow: seconds(caps.LateWindow),
	}
	if caps.Files {
		m.Caption = int32(caps.Caption) //nolint:gosec // as above
	}
	if caps.Buttons > 0 {
		m.ButtonTitle, m.ButtonPayload = int32(caps.ButtonTitle), int32(caps.ButtonPayload) //nolint:gosec // as above
	}
	return m
}

func seconds(d time.Duration) int32 { return int32(d / time.Second) } //nolint:gosec // windows are days

func textUnit(u connectors.TextUnit) string {
	return [...]string{
		connectors.Characters:  simprot.UnitCharacters,
		connectors.UTF16Units:  simprot.UnitUTF16,
		connectors.Bytes:       simprot.UnitBytes,
		connectors.SMSSegments: simprot.UnitSegments,
	}[u]
}

// replyUntil is what the core is told with a sentence: until when the customer can
// be answered freely; nil = not known, or the network has no such window.
func (c *conversation) replyUntil() *time.Time {
	if c.ch.caps.ReplyWindow == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reply.end.IsZero() {
		return nil
	}
	end := c.reply.end.UTC()
	return &end
}
