package refcore_test

import (
	"errors"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"servicelink/simprot"
	"servicelink/simprot/refcore"
	"servicelink/simprot/refcore/sqlite"
)

// kept is a store whose core can be started again: reopen gives what a new
// process would find.
type kept struct {
	refcore.Store
	reopen func() refcore.Store
}

// stores makes one of each kind.
var stores = map[string]func(*testing.T) *kept{
	"memory": func(*testing.T) *kept {
		m := refcore.NewMemoryStore(0)
		return &kept{m, func() refcore.Store { return m }}
	},
	"sqlite": func(t *testing.T) *kept {
		path := filepath.Join(t.TempDir(), "a store?.db")
		var s *sqlite.Store
		open := func() refcore.Store {
			var err error
			if s, err = sqlite.Open(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			return s
		}
		shut := func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		k := &kept{Store: open()}
		k.reopen = func() refcore.Store {
			shut()
			return open()
		}
		t.Cleanup(shut)
		return k
	},
}

var (
	address = refcore.Address{Peer: "@servicelink", Port: "shop", TrackingID: "42|telegram"}
	noon    = time.Date(2026, 11, 22, 12, 0, 0, 123456700, time.UTC)
)

func newChat(a refcore.Address) refcore.Chat {
	return refcore.Chat{
		ID: uuid.New(), Address: a, Status: simprot.StatusWaiting, PartyName: "Jana", RemoteAddress: "+420",
		UserToken: "token", Culture: "cs", AgentName: "Agent", AgentID: uuid.New(), Started: noon, Updated: noon,
	}
}

// room is a store with one open chat.
type room struct {
	*testing.T
	*kept
	chat refcore.Chat
}

// TestStoreContract is what every Store promises.
func TestStoreContract(t *testing.T) {
	for kind, open := range stores {
		for name, test := range map[string]func(*room){
			"keeps everything":    keepsEverything,
			"finds chats":         findsChats,
			"counts":              countsSentences,
			"confirms":            confirmsTheOldest,
			"confirms older chat": confirmsInOlderChats,
			"reads":               readsOnce,
			"shared sentences":    leavesSharedSentences,
			"errors":              tellsErrors,
			"reset":               resets,
		} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				r := &room{T: t, kept: open(t), chat: newChat(address)}
				r.must(r.Create(r.chat))
				test(r)
			})
		}
	}
}

func (r *room) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *room) add(s simprot.ChatSentenceInfo) (refcore.Chat, int) {
	r.Helper()
	s.Peer, s.Port, s.TrackingId, s.ChatId = r.chat.Peer, r.chat.Port, r.chat.TrackingID, r.chat.ID
	c, before, err := r.Append(r.chat.ID, &s, noon.Add(time.Minute))
	r.must(err)
	if s.Counter != c.Counter {
		r.Errorf("the sentence has Counter %d, the chat %d", s.Counter, c.Counter)
	}
	return c, before
}

func (r *room) all(after int32) []*simprot.ChatSentenceInfo {
	r.Helper()
	all, err := r.Sentences(r.chat.ID, after)
	r.must(err)
	return all
}

// snapshot is everything a store holds.
func (r *room) snapshot() (chats []refcore.Chat, sentences [][]*simprot.ChatSentenceInfo) {
	r.Helper()
	chats, err := r.List("", "", true)
	r.must(err)
	for _, c := range chats {
		all, err := r.Sentences(c.ID, 0)
		r.must(err)
		sentences = append(sentences, all)
	}
	return chats, sentences
}

// keepsEverything: chats, sentences, confirmations and closures are the same
// after a restart.
func keepsEverything(r *room) {
	text := "Dobrý den 👋\n\x00 'quoted' \"x\""
	r.add(simprot.ChatSentenceInfo{ID: "in", PartyName: "Jana", Text: text, TimeSent: noon})
	r.add(simprot.ChatSentenceInfo{ID: "out", Text: "ano", TimeSent: noon, IsOutbound: true})
	r.add(simprot.ChatSentenceInfo{ID: "owed", IsOutbound: true})
	r.add(simprot.ChatSentenceInfo{ID: "note", Model: simprot.ModelTechNote})
	_, _, err := r.Confirm(address, "out", noon.Add(time.Hour))
	r.must(err)
	_, err = r.Read(r.chat.ID, noon.Add(2*time.Hour))
	r.must(err)
	closed, err := r.Update(r.chat.ID, func(c *refcore.Chat) {
		c.Status, c.Closed, c.Updated = simprot.StatusClosedByAgent, noon.Add(3*time.Hour), noon.Add(3*time.Hour)
	})
	r.must(err)
	second := newChat(address)
	r.must(r.Create(second))

	chats, sentences := r.snapshot()
	r.Store = r.reopen()
	chatsNow, sentencesNow := r.snapshot()
	if diff := cmp.Diff(chats, chatsNow, cmpopts.EquateEmpty()); diff != "" {
		r.Errorf("chats after the restart (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(sentences, sentencesNow); diff != "" {
		r.Errorf("sentences after the restart (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(closed, chatsNow[0]); diff != "" {
		r.Errorf("the closed chat (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(second, chatsNow[1]); diff != "" {
		r.Errorf("the second chat (-want +got):\n%s", diff)
	}
	hour, two := noon.Add(time.Hour), noon.Add(2*time.Hour)
	want := []*simprot.ChatSentenceInfo{
		{ID: "in", PartyName: "Jana", Text: text, TimeSent: noon, ConfirmedTime: &two, Counter: 1},
		{ID: "out", Text: "ano", TimeSent: noon, IsOutbound: true, ConfirmedTime: &hour, Counter: 2},
		{ID: "owed", IsOutbound: true, Counter: 3},
		{ID: "note", Model: simprot.ModelTechNote, Counter: 4},
	}
	for _, s := range want {
		s.Peer, s.Port, s.TrackingId, s.ChatId = address.Peer, address.Port, address.TrackingID, r.chat.ID
	}
	if diff := cmp.Diff(want, sentencesNow[0]); diff != "" {
		r.Errorf("sentences (-want +got):\n%s", diff)
	}
}

// findsChats: by ID, by conversation (the newest), by Port, oldest first; a
// chat that comes to a conversation later is its newest.
func findsChats(r *room) {
	prepared := newChat(refcore.Address{Peer: address.Peer, Port: address.Port})
	r.must(r.Create(prepared))
	second, elsewhere := newChat(address), newChat(refcore.Address{Peer: address.Peer, Port: "other", TrackingID: "42|telegram"})
	r.must(r.Create(second))
	r.must(r.Create(elsewhere))
	latest := func(want uuid.UUID) {
		r.Helper()
		got, err := r.Latest(address)
		r.must(err)
		if got.ID != want {
			r.Errorf("the newest chat is %v, want %v", got.ID, want)
		}
	}
	latest(second.ID)
	_, err := r.Update(prepared.ID, func(c *refcore.Chat) { c.TrackingID = address.TrackingID })
	r.must(err)
	latest(prepared.ID)
	for _, tt := range []struct {
		port string
		all  bool
		want []uuid.UUID
	}{
		{"shop", false, []uuid.UUID{r.chat.ID, prepared.ID, second.ID}},
		{"other", false, []uuid.UUID{elsewhere.ID}},
		{"none", false, []uuid.UUID{}},
		{"", true, []uuid.UUID{r.chat.ID, prepared.ID, second.ID, elsewhere.ID}},
	} {
		chats, err := r.List(address.Peer, tt.port, tt.all)
		r.must(err)
		got := []uuid.UUID{}
		for _, c := range chats {
			got = append(got, c.ID)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			r.Errorf("port %q, all %t (-want +got):\n%s", tt.port, tt.all, diff)
		}
	}
}

func countsSentences(r *room) {
	r.add(simprot.ChatSentenceInfo{ID: "a"})
	if _, before := r.add(simprot.ChatSentenceInfo{ID: "a"}); before != 1 {
		r.Errorf("the ID was there %d times before, want 1", before)
	}
	if _, before := r.add(simprot.ChatSentenceInfo{ID: "a", IsOutbound: true}); before != 0 {
		r.Errorf("outbound, the ID was there %d times before, want 0", before)
	}
	c, _ := r.add(simprot.ChatSentenceInfo{ID: "n", Model: simprot.ModelTechNote})
	if c.Counter != 4 || c.Unread != 2 || c.Unconfirmed != 1 || !c.Updated.Equal(noon.Add(time.Minute)) {
		r.Errorf("%+v", c)
	}
	for after, want := range map[int32]int{0: 4, 3: 1, 4: 0} {
		if got := r.all(after); got == nil || len(got) != want {
			r.Errorf("%d sentences above %d (nil %t), want %d", len(got), after, got == nil, want)
		}
	}
	// What only the store counts cannot be changed.
	c, err := r.Update(r.chat.ID, func(c *refcore.Chat) { c.Counter, c.Unread, c.Unconfirmed, c.Peer = 9, 9, 9, "else" })
	r.must(err)
	if c.Counter != 4 || c.Unread != 2 || c.Unconfirmed != 1 || c.Peer != address.Peer {
		r.Errorf("after a change: %+v", c)
	}
}

// confirmsTheOldest: two sentences of one ID are confirmed one by one.
func confirmsTheOldest(r *room) {
	for range 2 {
		r.add(simprot.ChatSentenceInfo{ID: "a", IsOutbound: true})
	}
	for i, want := range []int32{1, 2, 1} {
		at := noon.Add(time.Duration(i) * time.Second)
		c, s, err := r.Confirm(address, "a", at)
		if err != nil || s.Counter != want || s.ConfirmedTime == nil {
			r.Fatalf("confirm %d: %v %+v", i, err, s)
		}
		if first := noon.Add(time.Duration(want-1) * time.Second); !s.ConfirmedTime.Equal(first) {
			r.Errorf("confirm %d: confirmed at %v, want %v", i, s.ConfirmedTime, first)
		}
		if left := max(1-i, 0); c.Unconfirmed != left {
			r.Errorf("confirm %d: %d unconfirmed, want %d", i, c.Unconfirmed, left)
		}
	}
}

// confirmsInOlderChats: the newest chat that has the ID is meant.
func confirmsInOlderChats(r *room) {
	r.add(simprot.ChatSentenceInfo{ID: "a", IsOutbound: true})
	r.add(simprot.ChatSentenceInfo{ID: "old", IsOutbound: true})
	first := r.chat.ID
	r.chat = newChat(address)
	r.must(r.Create(r.chat))
	r.add(simprot.ChatSentenceInfo{ID: "a", IsOutbound: true})
	for id, want := range map[string]uuid.UUID{"a": r.chat.ID, "old": first} {
		c, _, err := r.Confirm(address, id, noon)
		if err != nil || c.ID != want {
			r.Errorf("%s was confirmed in %v (%v), want %v", id, c.ID, err, want)
		}
	}
}

func readsOnce(r *room) {
	r.add(simprot.ChatSentenceInfo{ID: "in"})
	r.add(simprot.ChatSentenceInfo{ID: "out", IsOutbound: true})
	r.add(simprot.ChatSentenceInfo{ID: "note", Model: simprot.ModelTechNote})
	for _, want := range []int{1, 0} {
		seen, err := r.Read(r.chat.ID, noon)
		if err != nil || len(seen) != want {
			r.Fatalf("%d seen (%v), want %d", len(seen), err, want)
		}
		for _, s := range seen {
			if s.ID != "in" || s.ConfirmedTime == nil || !s.ConfirmedTime.Equal(noon) {
				r.Errorf("seen %+v", s)
			}
		}
	}
	c, err := r.Chat(r.chat.ID)
	if err != nil || c.Unread != 0 || c.ReadCounter != 3 || c.Unconfirmed != 1 {
		r.Errorf("%+v (%v)", c, err)
	}
}

// leavesSharedSentences: who holds an answer may read it while the chat goes on.
func leavesSharedSentences(r *room) {
	r.add(simprot.ChatSentenceInfo{ID: "out", IsOutbound: true})
	r.add(simprot.ChatSentenceInfo{ID: "in"})
	held := r.all(0)
	_, _, err := r.Confirm(address, "out", noon)
	r.must(err)
	_, err = r.Read(r.chat.ID, noon)
	r.must(err)
	for _, s := range held {
		if s.ConfirmedTime != nil {
			r.Errorf("%s changed in the reader's hands", s.ID)
		}
	}
	for _, s := range r.all(0) {
		if s.ConfirmedTime == nil {
			r.Errorf("%s is not confirmed", s.ID)
		}
	}
}

func tellsErrors(r *room) {
	r.add(simprot.ChatSentenceInfo{ID: "in"})
	missing := uuid.New()
	for name, tt := range map[string]struct {
		do   func() error
		want error
	}{
		"chat":           {func() error { _, err := r.Chat(missing); return err }, refcore.ErrNoChat},
		"latest":         {func() error { _, err := r.Latest(refcore.Address{TrackingID: "x"}); return err }, refcore.ErrNoChat},
		"update":         {func() error { _, err := r.Update(missing, func(*refcore.Chat) {}); return err }, refcore.ErrNoChat},
		"append":         {func() error { _, _, err := r.Append(missing, &simprot.ChatSentenceInfo{}, noon); return err }, refcore.ErrNoChat},
		"read":           {func() error { _, err := r.Read(missing, noon); return err }, refcore.ErrNoChat},
		"sentences":      {func() error { _, err := r.Sentences(missing, 0); return err }, refcore.ErrNoChat},
		"confirm":        {func() error { _, _, err := r.Confirm(address, "x", noon); return err }, refcore.ErrNoSentence},
		"confirm in":     {func() error { _, _, err := r.Confirm(address, "in", noon); return err }, refcore.ErrInbound},
		"confirm nobody": {func() error { _, _, err := r.Confirm(refcore.Address{}, "in", noon); return err }, refcore.ErrNoSentence},
	} {
		if err := tt.do(); !errors.Is(err, tt.want) {
			r.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func resets(r *room) {
	for i := range 3 {
		r.add(simprot.ChatSentenceInfo{ID: strconv.Itoa(i)})
	}
	r.must(r.Reset())
	if _, err := r.Chat(r.chat.ID); !errors.Is(err, refcore.ErrNoChat) {
		r.Errorf("the chat is still there (%v)", err)
	}
	if _, err := r.Latest(address); !errors.Is(err, refcore.ErrNoChat) {
		r.Errorf("the conversation is still there (%v)", err)
	}
	if all, err := r.List("", "", true); err != nil || len(all) != 0 {
		r.Errorf("%d chats listed (%v)", len(all), err)
	}
	r.must(r.Create(r.chat))
	if c, _ := r.add(simprot.ChatSentenceInfo{ID: "new"}); c.Counter != 1 {
		r.Errorf("the first Counter is %d", c.Counter)
	}
}

// TestStoreMessages: the register and messages as they were written last, in their
// order, over a restart of the core; Reset leaves the register.
func TestStoreMessages(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			gateways := simprot.GatewayList{
				{Id: uuid.New(), DisplayName: "Support", Direction: simprot.DirectionIn, Device: `ImapHost {"Host": "h"}`},
				{Id: uuid.New(), DisplayName: "Out", Direction: simprot.DirectionOut},
			}
			mark := int32(7)
			first := refcore.Message{ID: uuid.New(), At: noon, Content: simprot.MessageContentInfo{SubjectField: "first", Mark: &mark, ReceivedSentTime: noon}}
			second := refcore.Message{ID: uuid.New(), Thread: first.ID, At: noon, State: refcore.MessageSending}
			changed := first
			changed.Repeats = 2
			for _, err := range []error{
				s.SaveGateways(gateways[:1]), s.SaveGateways(gateways), s.SaveMessage(first), s.SaveMessage(second), s.SaveMessage(changed),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			again := s.reopen()
			got, err := again.Messages()
			if diff := cmp.Diff([]refcore.Message{changed, second}, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
				t.Errorf("messages: %v\n%s", err, diff)
			}
			if err := again.Reset(); err != nil {
				t.Fatal(err)
			}
			if got, err := again.Messages(); len(got) != 0 || err != nil {
				t.Errorf("after Reset there is %v, %v", got, err)
			}
			list, err := again.Gateways()
			if diff := cmp.Diff(gateways, list); diff != "" || err != nil {
				t.Errorf("the register: %v\n%s", err, diff)
			}
		})
	}
}
