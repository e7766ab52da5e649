package refcore

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// MemoryStore is a Store without a file. It outlives the Core it was given to,
// so a Core made anew with it is a core restarted with its data.
type MemoryStore struct {
	memoryMessages

	keep int

	mu     sync.RWMutex
	byID   map[uuid.UUID]*record
	byAddr map[Address][]*record // oldest first
	order  []*record             // oldest first
}

var _ Store = (*MemoryStore)(nil)

// record is a chat with its sentences.
type record struct {
	mu        sync.Mutex
	chat      Chat
	sentences []*simprot.ChatSentenceInfo // by Counter, not always without gaps
	ids       map[string]idCount          // of the kept sentences
	trimAt    int                         // trim when more are held; 0 = never
}

// idCount says how often an ID is among the kept sentences.
type idCount struct{ inbound, outbound int32 }

// NewMemoryStore keeps at least the last keep sentences of each chat and trims
// when it holds twice as many; 0 keeps all. An outbound sentence that is not
// confirmed is always kept.
func NewMemoryStore(keep int) *MemoryStore {
	m := &MemoryStore{keep: keep}
	m.clear()
	return m
}

func (m *MemoryStore) clear() {
	m.byID = map[uuid.UUID]*record{}
	m.byAddr = map[Address][]*record{}
	m.order = nil
}

// Reset implements Store.
func (m *MemoryStore) Reset() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clear()
	m.reset()
	return nil
}

// Create implements Store.
func (m *MemoryStore) Create(c Chat) error {
	r := &record{chat: c, ids: map[string]idCount{}, trimAt: 2 * m.keep}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.byID[c.ID] = r
	m.byAddr[c.Address] = append(m.byAddr[c.Address], r)
	m.order = append(m.order, r)
	return nil
}

func (m *MemoryStore) record(id uuid.UUID) (*record, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	r := m.byID[id]
	if r == nil {
		return nil, ErrNoChat
	}
	return r, nil
}

// Chat implements Store.
func (m *MemoryStore) Chat(id uuid.UUID) (Chat, error) {
	r, err := m.record(id)
	if err != nil {
		return Chat{}, err
	}
	return r.copy(), nil
}

// Latest implements Store.
func (m *MemoryStore) Latest(a Address) (Chat, error) {
	m.mu.RLock()
	chats := m.byAddr[a]
	m.mu.RUnlock()
	if len(chats) == 0 {
		return Chat{}, ErrNoChat
	}
	return chats[len(chats)-1].copy(), nil
}

// List implements Store.
func (m *MemoryStore) List(peer, port string, all bool) ([]Chat, error) {
	m.mu.RLock()
	order := slices.Clip(m.order)
	m.mu.RUnlock()
	chats := []Chat{}
	for _, r := range order {
		// Peer and Port never change: no lock is needed to look at them.
		if all || (r.chat.Peer == peer && r.chat.Port == port) {
			chats = append(chats, r.copy())
		}
	}
	return chats, nil
}

// Update implements Store.
func (m *MemoryStore) Update(id uuid.UUID, change func(*Chat)) (Chat, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.byID[id]
	if r == nil {
		return Chat{}, ErrNoChat
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.chat.Address
	changed := r.chat
	change(&changed)
	r.chat.TrackingID = changed.TrackingID
	r.chat.Status, r.chat.PartyName, r.chat.RemoteAddress = changed.Status, changed.PartyName, changed.RemoteAddress
	r.chat.UserToken, r.chat.Culture = changed.UserToken, changed.Culture
	r.chat.AgentName, r.chat.AgentID = changed.AgentName, changed.AgentID
	r.chat.Updated, r.chat.Closed = changed.Updated, changed.Closed
	if after := r.chat.Address; after != before {
		m.byAddr[before] = slices.DeleteFunc(slices.Clone(m.byAddr[before]), func(o *record) bool { return o == r })
		m.byAddr[after] = append(m.byAddr[after], r)
	}
	return r.chat, nil
}

// Append implements Store.
func (m *MemoryStore) Append(id uuid.UUID, s *simprot.ChatSentenceInfo, at time.Time) (Chat, int, error) {
	r, err := m.record(id)
	if err != nil {
		return Chat{}, 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.chat.Counter++
	r.chat.Updated = at
	s.Counter = r.chat.Counter
	r.sentences = append(r.sentences, s)
	n := r.ids[s.ID]
	before := n.inbound
	if s.IsOutbound {
		before = n.outbound
		n.outbound++
		if s.ConfirmedTime == nil {
			r.chat.Unconfirmed++
		}
	} else {
		n.inbound++
		if s.Model == simprot.ModelSentence {
			r.chat.Unread++
		}
	}
	r.ids[s.ID] = n
	if r.trimAt > 0 && len(r.sentences) > r.trimAt {
		r.trim(m.keep)
	}
	return r.chat, int(before), nil
}

// Confirm implements Store.
func (m *MemoryStore) Confirm(a Address, sentenceID string, at time.Time) (Chat, *simprot.ChatSentenceInfo, error) {
	m.mu.RLock()
	chats := m.byAddr[a]
	m.mu.RUnlock()
	err := ErrNoSentence
	for _, r := range slices.Backward(chats) {
		chat, s, found := r.confirm(sentenceID, at)
		if found == nil {
			return chat, s, nil
		}
		if errors.Is(found, ErrInbound) {
			err = found
		}
	}
	return Chat{}, nil, err
}

// Read implements Store.
func (m *MemoryStore) Read(id uuid.UUID, at time.Time) ([]*simprot.ChatSentenceInfo, error) {
	r, err := m.record(id)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var seen []*simprot.ChatSentenceInfo
	for i := r.above(r.chat.ReadCounter); i < len(r.sentences); i++ {
		s := r.sentences[i]
		if s.IsOutbound || s.Model != simprot.ModelSentence || s.ConfirmedTime != nil {
			continue
		}
		r.sentences[i] = confirmed(s, at)
		seen = append(seen, r.sentences[i])
	}
	r.chat.ReadCounter, r.chat.Unread = r.chat.Counter, 0
	return seen, nil
}

// Sentences implements Store.
func (m *MemoryStore) Sentences(id uuid.UUID, after int32) ([]*simprot.ChatSentenceInfo, error) {
	r, err := m.record(id)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*simprot.ChatSentenceInfo{}, r.sentences[r.above(after):]...), nil
}

func (r *record) copy() Chat {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.chat
}

// above returns the index of the first sentence with a Counter above c.
func (r *record) above(c int32) int {
	i, _ := slices.BinarySearchFunc(r.sentences, c+1, func(s *simprot.ChatSentenceInfo, c int32) int {
		return cmp.Compare(s.Counter, c)
	})
	return i
}

// confirm is Confirm within one chat.
func (r *record) confirm(sentenceID string, at time.Time) (Chat, *simprot.ChatSentenceInfo, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.ids[sentenceID]
	if n.outbound == 0 {
		if n.inbound > 0 {
			return Chat{}, nil, ErrInbound
		}
		return Chat{}, nil, ErrNoSentence
	}
	// From the end: what is confirmed is nearly always among the last ones. The
	// oldest unconfirmed one is wanted, and n says when all were seen.
	found, last := -1, -1
	for i, left := len(r.sentences)-1, n.outbound; i >= 0 && left > 0; i-- {
		s := r.sentences[i]
		if s.ID != sentenceID || !s.IsOutbound {
			continue
		}
		left--
		last = i
		if s.ConfirmedTime == nil {
			found = i
		}
	}
	if found < 0 {
		return r.chat, r.sentences[last], nil
	}
	r.sentences[found] = confirmed(r.sentences[found], at)
	r.chat.Unconfirmed--
	return r.chat, r.sentences[found], nil
}

// trim drops the oldest sentences beyond keep, never an unconfirmed outbound one.
func (r *record) trim(keep int) {
	cut := len(r.sentences) - keep
	kept := make([]*simprot.ChatSentenceInfo, 0, 2*keep+1)
	for _, s := range r.sentences[:cut] {
		if s.IsOutbound && s.ConfirmedTime == nil {
			kept = append(kept, s)
			continue
		}
		n := r.ids[s.ID]
		if s.IsOutbound {
			n.outbound--
		} else {
			n.inbound--
		}
		if n == (idCount{}) {
			delete(r.ids, s.ID)
		} else {
			r.ids[s.ID] = n
		}
	}
	r.sentences = append(kept, r.sentences[cut:]...)
	// Counted from what is left: many unconfirmed ones must not make every
	// further sentence pay for a trim.
	r.trimAt = len(r.sentences) + keep
}

// confirmed returns a copy of s with its ConfirmedTime.
func confirmed(s *simprot.ChatSentenceInfo, at time.Time) *simprot.ChatSentenceInfo {
	c := *s
	c.ConfirmedTime = &at
	return &c
}
