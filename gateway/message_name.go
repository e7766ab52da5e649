package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// The names of messages outlive their rows, since answers come later: by the
// DeliverySystemId that the core knows a message by, the journal gives back its own
// name and its thread, however long they were.

// nameValue is what is kept beside a name.
type nameValue struct {
	// MessageID is the network's own name of the message; empty: it has none.
	MessageID  string   `json:"message_id,omitempty"`
	References []string `json:"references,omitempty"`
	// Own: it is that of a message of ours.
	Own bool `json:"own,omitempty"`
}

// claimInbound gives the DeliverySystemId of a message that came: the name it came
// with, shortened, unless another message of the gateway has that; then, and where it
// has none, one derived from its event. The same event always gets the same one.
func (g *Gateway) claimInbound(ctx context.Context, lane journal.Lane, event, named string, m inbound) (string, error) {
	name := journal.Name{
		Channel: lane.Channel, Owner: event, TrackingID: lane.TrackingID, At: time.Now(),
		Value: []byte(toJSON(nameValue{MessageID: named, References: threadOf(m.References)})),
	}
	candidates := []string{derivedID(event)}
	if named != "" {
		candidates = []string{simprot.ShortenID(valid(named), simprot.MaxDeliverySystemID), derivedID(event)}
	}
	for _, id := range candidates {
		name.Key = id
		kept, err := g.journal.Claim(ctx, name)
		if err != nil {
			return "", err
		}
		if kept.Owner == event {
			return id, nil
		}
	}
	// An earlier event has the derived name, too: it cannot be, but for a hash.
	return derivedID(event + "|" + named), nil
}

// isOwn tells whether a message that came has the name of one of ours: it came back.
func (g *Gateway) isOwn(ctx context.Context, named string) (bool, error) {
	if !isMessageID(named) {
		return false, nil
	}
	names, err := g.journal.Named(ctx, named)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(names, func(n journal.Name) bool {
		var v nameValue
		return json.Unmarshal(n.Value, &v) == nil && v.Own
	}), nil
}

// derivedPrefix begins the names that are derived of events.
const derivedPrefix = "event:"

// derivedID names a message that has no name of its own, or not alone. Nothing else
// looks like it.
func derivedID(event string) string {
	sum := sha256.Sum256([]byte(event))
	return derivedPrefix + hex.EncodeToString(sum[:20])
}

// resolve gives a message's own name and thread by the name the core knows it by. ok
// is false where nothing is kept of it.
func (g *Gateway) resolve(ctx context.Context, id string) (v nameValue, ok bool, err error) {
	names, err := g.journal.Named(ctx, id)
	if err != nil || len(names) == 0 {
		return v, false, err
	}
	latest := slices.MaxFunc(names, func(a, b journal.Name) int { return a.At.Compare(b.At) })
	known := json.Unmarshal(latest.Value, &v) == nil // else a later program wrote it
	return v, known, nil
}
