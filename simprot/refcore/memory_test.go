package refcore

import (
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
