package memory

import (
	"context"
	"slices"
	"time"

	"servicelink/gateway/journal"
)

// names are by their Key, oldest first; inOrder lists the Keys as they were claimed.
type names struct {
	byKey   map[string][]journal.Name
	inOrder []claimed
}

type claimed struct {
	key string
	at  time.Time
}

// nameCost is what a name takes beside its texts, in bytes.
const nameCost = 300

func costOf(n *journal.Name) int64 {
	return int64(nameCost + len(n.Channel) + 2*len(n.Key) + len(n.Owner) + len(n.TrackingID) + len(n.Value))
}

// Claim is writer.Store's.
func (s *store) Claim(n *journal.Name, known bool) (journal.Name, error) {
	for _, kept := range s.names.byKey[n.Key] {
		if kept.Channel == n.Channel {
			return kept, nil
		}
	}
	if known {
		return journal.Name{}, journal.ErrNotFound
	}
	if s.names.byKey == nil {
		s.names.byKey = make(map[string][]journal.Name)
	}
	kept := *n
	kept.Value = slices.Clone(n.Value)
	s.names.byKey[n.Key] = append(slices.Clone(s.names.byKey[n.Key]), kept)
	s.names.inOrder = append(s.names.inOrder, claimed{n.Key, n.At})
	s.size += costOf(&kept)
	return kept, nil
}

// Named is journal.Journal's.
func (j *Journal) Named(ctx context.Context, key string) (found []journal.Name, err error) {
	err = j.view(ctx, func(s *store) { found = slices.Clone(s.names.byKey[key]) })
	return found, err
}

// sweepNames forgets the oldest names whose time is over, at most so many.
func (s *store) sweepNames(now time.Time, most int) (touched int) {
	for touched < most && len(s.names.inOrder) > 0 && now.Sub(s.names.inOrder[0].at) >= s.o.KeepNames {
		oldest := s.names.inOrder[0]
		s.names.inOrder = s.names.inOrder[1:]
		// One that was forgotten meanwhile may have been claimed anew.
		s.dropNames(oldest.key, func(n *journal.Name) bool { return n.At.Equal(oldest.at) })
		touched++
	}
	return touched
}

// dropNames takes out the names of a Key that are meant.
func (s *store) dropNames(key string, meant func(*journal.Name) bool) {
	all := s.names.byKey[key]
	var left []journal.Name
	for i := range all {
		if meant(&all[i]) {
			s.size -= costOf(&all[i])
		} else {
			left = append(left, all[i])
		}
	}
	if s.names.byKey[key] = left; len(left) == 0 {
		delete(s.names.byKey, key)
	}
}

// forgetNames takes out those of a conversation.
func (s *store) forgetNames(channel, trackingID string) {
	for key := range s.names.byKey {
		s.dropNames(key, func(n *journal.Name) bool { return n.Channel == channel && n.TrackingID == trackingID })
	}
}
