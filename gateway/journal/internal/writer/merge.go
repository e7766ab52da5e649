package writer

import (
	"errors"
	"slices"
	"time"

	"servicelink/gateway/journal"
)

// MergeParty takes over what is new in from; it reports whether p changed. An
// empty field says nothing.
func MergeParty(p, from *journal.Party) bool {
	if from == nil {
		return false
	}
	changed := false
	for _, f := range [...]struct{ to, from *string }{
		{&p.RemoteAddress, &from.RemoteAddress},
		{&p.PartyName, &from.PartyName},
		{&p.UserToken, &from.UserToken},
		{&p.Culture, &from.Culture},
	} {
		if *f.from != "" && *f.from != *f.to {
			*f.to, changed = *f.from, true
		}
	}
	return changed
}

// MergeProfile puts a profile into its conversation; it reports whether c changed.
func MergeProfile(c *journal.Conversation, by *journal.ConvChange) bool {
	if by.Profile == nil {
		return false
	}
	p := *by.Profile
	p.At = p.At.UTC().Truncate(time.Microsecond) // as it is kept
	changed := c.Profile != p
	c.Profile = p
	return changed
}

// MergeConv moves all else of a conversation forward as journal.ConvChange says; it
// reports whether c changed.
func MergeConv(c *journal.Conversation, by *journal.ConvChange) bool {
	old := *c
	if by.ChatID != "" && by.ChatID != c.ChatID {
		c.ChatID, c.Counter, c.Released = by.ChatID, by.Counter, by.Released
	} else {
		c.Counter = max(c.Counter, by.Counter)
		c.Released = max(c.Released, by.Released)
	}
	if by.ClosedText.After(c.ClosedText) {
		c.ClosedText = by.ClosedText
	}
	if !by.WindowEnd.IsZero() {
		c.WindowEnd, c.WindowBy = by.WindowEnd, by.WindowBy
	}
	return old.WindowBy != c.WindowBy || !old.WindowEnd.Equal(c.WindowEnd) || old.ChatID != c.ChatID || old.Counter != c.Counter ||
		old.Released != c.Released || !old.ClosedText.Equal(c.ClosedText)
}

// Revive makes a dead row pending again, as journal.Requeue says. Parts keep
// their places: those that were sent stay, the others are as if never tried, but
// for the doubt whether somebody has them.
func Revive(r *journal.Row) {
	r.State, r.Epoch = journal.Accepted, r.Epoch+1
	r.Reason, r.Hint, r.Attempts, r.Strikes = "", "", 0, 0
	r.Next, r.EndedAt = time.Time{}, time.Time{}
	parts := make([]journal.Part, len(r.Parts))
	kept := 0
	for i, p := range r.Parts {
		switch {
		case p.State == journal.PartSent:
			parts[i] = p
			kept++
		case p.Doubt || p.State == journal.PartAttempting || p.State == journal.PartUnknown:
			parts[i].Doubt = true
			kept++
		}
	}
	r.Parts = nil
	if kept > 0 {
		r.Parts = parts
	}
}

// Update puts a change into its row. The caller has checked that it may.
func Update(r *journal.Row, c *journal.Change, now time.Time) {
	r.State, r.Reason, r.Hint = c.State, c.Reason, c.Hint
	r.Attempts, r.Strikes, r.Next = c.Attempts, c.Strikes, c.Next
	if c.Parts != nil {
		r.Parts = KeepReported(c.Parts, r.Parts)
	}
	if !c.State.Pending() {
		r.EndedAt = now
	}
}

// KeepReported gives parts with what is recorded of their delivery, where it is
// further: a send that goes on does not know what was reported meanwhile. It does
// not write to parts: they are the caller's, and a change that is tried again must
// not bring along a report that was rolled back.
func KeepReported(parts, recorded []journal.Part) []journal.Part {
	kept := parts
	for i := range min(len(parts), len(recorded)) {
		p, r := parts[i], recorded[i]
		if !p.Moves(r.Status, r.NetworkID) {
			continue
		}
		p.Status, p.StatusAt = r.Status, r.StatusAt
		if p.Reason == "" && r.Reason != "" {
			p.Reason, p.Hint = r.Reason, r.Hint
		}
		if p.NetworkID == "" {
			p.NetworkID = r.NetworkID
		}
		if &kept[0] == &parts[0] {
			kept = slices.Clone(parts)
		}
		kept[i] = p
	}
	return kept
}

// Reported tells whether anything was reported of parts.
func Reported(parts []journal.Part) bool {
	return slices.ContainsFunc(parts, func(p journal.Part) bool { return p.Status > 0 })
}

// ApplyReport puts a report into its row, as journal.Report says; it tells whether
// anything changed. The row's Parts are not written to, but replaced.
func ApplyReport(row *journal.Row, r *journal.Report) bool {
	if row.Epoch != r.Epoch || r.Part < 0 || r.Part >= len(row.Parts) {
		return false
	}
	p := row.Parts[r.Part]
	if !p.Moves(r.Status, r.NetworkID) {
		return false
	}
	p.Status, p.StatusAt = r.Status, r.At.UTC().Truncate(time.Microsecond) // as it is kept
	if p.NetworkID == "" {
		p.NetworkID = r.NetworkID
	}
	if r.Reason != "" {
		p.Reason, p.Hint = r.Reason, r.Hint
	}
	row.Parts = slices.Clone(row.Parts)
	row.Parts[r.Part] = p
	return true
}

// Discarded is the reason of a dead letter an operator took off the list.
const Discarded = "discarded"

// Refused is the reason of a dead letter the storage refused alone.
const Refused = "refused"

// The retention when Options do not say.
const (
	keepContent = 48 * time.Hour
	keepIDs     = 192 * time.Hour
	keepNames   = 90 * 24 * time.Hour
)

// WithDefaults fills what Options leave out.
func WithDefaults(o journal.Options) journal.Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.KeepContent == 0 {
		o.KeepContent = keepContent
	}
	if o.KeepIDs == 0 {
		o.KeepIDs = keepIDs
	}
	if o.KeepNames == 0 {
		o.KeepNames = keepNames
	}
	return o
}

// DeadLimit is how many dead letters a query without Limit gives.
const DeadLimit = 100

// ErrState is a change that names a row and no state.
var ErrState = errors.New("change without a state")
