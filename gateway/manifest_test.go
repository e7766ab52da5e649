package gateway

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/simprot"
)

func TestManifest(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cfg  config.Channel
		caps connectors.Capabilities
		want simprot.PortManifest
	}{
		"nothing but text": {
			config.Channel{Network: "fake"},
			connectors.Capabilities{Caption: 9, ButtonTitle: 9, ButtonPayload: 9},
			simprot.PortManifest{Network: "fake", TextUnit: simprot.UnitCharacters},
		},
		"everything": {
			config.Channel{Network: "fake", Confirm: config.ConfirmDelivered},
			connectors.Capabilities{
				TextLimit: 10, TextUnit: connectors.SMSSegments, Files: true, Caption: 1024, Replies: true, Buttons: 3,
				ButtonTitle: 20, ButtonPayload: 64, Typing: true, ReadMark: true, Templates: true, Reports: true,
				ReplyWindow: 24 * time.Hour, LateWindow: 7 * 24 * time.Hour,
			},
			simprot.PortManifest{
				Network: "fake", TextLimit: 10, TextUnit: simprot.UnitSegments, Files: true, Caption: 1024, Replies: true, Buttons: 3,
				ButtonTitle: 20, ButtonPayload: 64, Typing: true, ReadMark: true, Templates: true, Delivered: true,
				ReplyWindow: 86400, LateWindow: 604800,
			},
		},
		"units": {
			config.Channel{}, connectors.Capabilities{TextUnit: connectors.UTF16Units}, simprot.PortManifest{TextUnit: simprot.UnitUTF16},
		},
		"bytes": {
			config.Channel{}, connectors.Capabilities{TextUnit: connectors.Bytes}, simprot.PortManifest{TextUnit: simprot.UnitBytes},
		},
	} {
		if diff := cmp.Diff(&tc.want, Manifest(tc.cfg, tc.caps)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestCoreIsToldWhatAPortShows: with every RESYNC, so that a core which lost it
// hears it again.
func TestCoreIsToldWhatAPortShows(t *testing.T) {
	t.Parallel()
	inHouse(t, func(h *house) {
		h.writes("ann", 1)
		h.waits(5 * time.Second)
		told := func() *simprot.PortManifest {
			h.Helper()
			states, err := h.core.Chats()
			if err != nil || len(states) != 1 {
				h.Fatalf("chats %+v, %v", states, err)
			}
			return states[0].Manifest
		}
		if m := told(); m == nil || m.Network != "fake" {
			h.Errorf("the core was told %+v", m)
		}
		if err := h.core.Restart(true); err != nil {
			h.Fatal(err)
		}
		h.waits(2 * time.Minute)
		if m := told(); m == nil {
			h.Error("a core that was restarted is not told again")
		}
	})
}

// TestCoreIsToldUntilWhenToReply: as it is known when the sentence is written; what
// a network's refusal has ended is told with the note about it.
func TestCoreIsToldUntilWhenToReply(t *testing.T) {
	inWindowHouse(t, func(h *windowHouse) {
		told := func(want time.Time) {
			h.Helper()
			states, err := h.core.Chats()
			if err != nil || len(states) != 1 || !states[0].ReplyUntil.Equal(want) {
				h.Errorf("the core is told %+v, %v; want %v", states, err, want)
			}
		}
		h.brings(textEvent("ann", 1))
		h.waits(time.Second)
		told(bubbleStart.Add(day))
		h.waits(time.Hour - time.Since(bubbleStart))
		h.net.fail = closedByNetwork
		h.says("ann", "one")
		h.waits(time.Second)
		told(bubbleStart.Add(time.Hour))
	})
}
