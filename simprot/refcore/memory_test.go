package refcore

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

var testAddress = Address{Peer: testPeer, Port: testPort, TrackingID: testChat}

// storeWithChat is a MemoryStore with one open chat.
func storeWithChat(t *testing.T, keep int) (*MemoryStore, uuid.UUID) {
	t.Helper()
	m := NewMemoryStore(keep)
	chat := Chat{ID: uuid.New(), Address: testAddress, Status: simprot.StatusWaiting}
	if err := m.Create(chat); err != nil {
		t.Fatal(err)
	}
	return m, chat.ID
}

func appendTo(t *testing.T, m *MemoryStore, chat uuid.UUID, s simprot.ChatSentenceInfo) (Chat, int) {
	t.Helper()
	c, before, err := m.Append(chat, &s, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	return c, before
}

func TestStoreCounts(t *testing.T) {
	m, chat := storeWithChat(t, 0)
	appendTo(t, m, chat, simprot.ChatSentenceInfo{ID: "a"})
	if _, before := appendTo(t, m, chat, simprot.ChatSentenceInfo{ID: "a"}); before != 1 {
		t.Errorf("the ID was there %d times before, want 1", before)
	}
	if _, before := appendTo(t, m, chat, simprot.ChatSentenceInfo{ID: "a", IsOutbound: true}); before != 0 {
		t.Errorf("outbound, the ID was there %d times before, want 0", before)
	}
	c, _ := appendTo(t, m, chat, simprot.ChatSentenceInfo{ID: "n", Model: simprot.ModelTechNote})
	if c.Counter != 4 || c.Unread != 2 || c.Unconfirmed != 1 {
		t.Errorf("%+v", c)
	}
}

// TestConfirmTakesTheOldest: two sentences of one ID are confirmed one by one.
func TestConfirmTakesTheOldest(t *testing.T) {
	m, chat := storeWithChat(t, 0)
	for range 2 {
		appendTo(t, m, chat, simprot.ChatSentenceInfo{ID: "a", IsOutbound: true})
	}
	at := time.Unix(1, 0)
	for i, want := range []int32{1, 2, 1} {
		c, s, err := m.Confirm(testAddress, "a", at)
		if err != nil || s.Counter != want || s.ConfirmedTime == nil {
			t.Fatalf("confirm %d: %v %+v", i, err, s)
		}
		if left := max(1-i, 0); c.Unconfirmed != left {
			t.Errorf("confirm %d: %d unconfirmed, want %d", i, c.Unconfirmed, left)
		}
	}
}

func TestStoreTrims(t *testing.T) {
	m, chat := storeWithChat(t, 10)
	appendTo(t, m, chat, simprot.ChatSentenceInfo{ID: "owed", IsOutbound: true})
	for i := range 1000 {
		appendTo(t, m, chat, simprot.ChatSentenceInfo{ID: fmt.Sprint(i)})
	}
	all, err := m.Sentences(chat, 0)
	if err != nil || len(all) < 11 || len(all) > 22 {
		t.Fatalf("%d sentences kept (%v)", len(all), err)
	}
	if all[0].ID != "owed" || all[len(all)-1].Counter != 1001 {
		t.Errorf("kept %s ... %d", all[0].ID, all[len(all)-1].Counter)
	}
	if n := len(m.byID[chat].ids); n != len(all) {
		t.Errorf("%d IDs remembered for %d sentences", n, len(all))
	}
	if _, _, err := m.Confirm(testAddress, "owed", time.Unix(1, 0)); err != nil {
		t.Error(err)
	}
	after, err := m.Sentences(chat, 999)
	if err != nil || len(after) != 2 {
		t.Errorf("%d sentences above 999 (%v)", len(after), err)
	}
}

// TestStoredSentencesDoNotChange: who holds an answer may read it while the
// chat goes on.
func TestStoredSentencesDoNotChange(t *testing.T) {
	m, chat := storeWithChat(t, 0)
	appendTo(t, m, chat, simprot.ChatSentenceInfo{ID: "out", IsOutbound: true})
	appendTo(t, m, chat, simprot.ChatSentenceInfo{ID: "in"})
	held, err := m.Sentences(chat, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Confirm(testAddress, "out", time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Read(chat, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	for _, s := range held {
		if s.ConfirmedTime != nil {
			t.Errorf("%s changed in the reader's hands", s.ID)
		}
	}
}

func TestStoreErrors(t *testing.T) {
	m, chat := storeWithChat(t, 0)
	appendTo(t, m, chat, simprot.ChatSentenceInfo{ID: "in"})
	missing := uuid.New()
	for name, tt := range map[string]struct {
		do   func() error
		want error
	}{
		"chat":           {func() error { _, err := m.Chat(missing); return err }, ErrNoChat},
		"latest":         {func() error { _, err := m.Latest(Address{TrackingID: "x"}); return err }, ErrNoChat},
		"update":         {func() error { _, err := m.Update(missing, func(*Chat) {}); return err }, ErrNoChat},
		"append":         {func() error { _, _, err := m.Append(missing, &simprot.ChatSentenceInfo{}, time.Time{}); return err }, ErrNoChat},
		"read":           {func() error { _, err := m.Read(missing, time.Time{}); return err }, ErrNoChat},
		"sentences":      {func() error { _, err := m.Sentences(missing, 0); return err }, ErrNoChat},
		"confirm":        {func() error { _, _, err := m.Confirm(testAddress, "x", time.Time{}); return err }, ErrNoSentence},
		"confirm in":     {func() error { _, _, err := m.Confirm(testAddress, "in", time.Time{}); return err }, ErrInbound},
		"confirm nobody": {func() error { _, _, err := m.Confirm(Address{}, "in", time.Time{}); return err }, ErrNoSentence},
	} {
		if err := tt.do(); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestStoreReset(t *testing.T) {
	m, chat := storeWithChat(t, 0)
	if err := m.Reset(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Chat(chat); !errors.Is(err, ErrNoChat) {
		t.Errorf("the chat is still there (%v)", err)
	}
	if _, err := m.Latest(testAddress); !errors.Is(err, ErrNoChat) {
		t.Errorf("the conversation is still there (%v)", err)
	}
	if all, err := m.List("", "", true); err != nil || len(all) != 0 {
		t.Errorf("%d chats listed (%v)", len(all), err)
	}
}
