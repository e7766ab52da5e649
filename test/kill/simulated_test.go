package kill

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the journal is read as it lies on disk

	"servicelink/connectors"
	"servicelink/simprot/refcore"
	"servicelink/test/netsim/control"
	"servicelink/test/proc"
)

// simulated is a channel of the stage's gateway on a simulated network that has
// phones and reports deliveries.
type simulated struct {
	*stage
	net              control.Network
	channel, account string // account: as net knows it
	customerID       func(chat int) control.ID
	tracking         func(chat int) string // the TrackingId of a customer
	lost             func() int            // calls of the network that found nobody, and will not come again
	// mayNotKnow: what a kill found between its record and its request, nobody can be
	// asked about: it is reported as unknown, once, and not sent again.
	mayNotKnow bool
	notKnown   map[string]bool // the IDs of answers of which the agent was told so, and nothing since
	doubts     int             // how many were told so
	notes      int             // notes in all; each is a message to the core
	// furthest is how far each part was by what the journal said last.
	furthest map[string]connectors.DeliveryStatus
}

func wrote(chat, n int) string { return fmt.Sprintf("message %d of %d", n, chat) }
func said(n int) string        { return fmt.Sprint("answer ", n) }

func (w *simulated) user(chat int) control.User {
	return control.User{ID: w.customerID(chat), FirstName: fmt.Sprint("Customer ", chat)}
}

// play sends everything while the gateway is killed at random moments, and waits
// until nothing is left to do.
func (w *simulated) play(r run) {
	w.Helper()
	seed := uint64(time.Now().UnixNano())
	dice := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // dice, no secret
	w.Logf("seed %d", seed)
	var sent atomic.Int64
	var work sync.WaitGroup
	failures := make(chan error, 2*r.chats)
	for chat := 1; chat <= r.chats; chat++ {
		work.Go(func() { failures <- w.customer(r, chat, &sent) })
		work.Go(func() { failures <- w.agent(r, chat, &sent) })
	}
	total := int64(2 * r.chats * r.each)
	moments := make([]int64, r.kills)
	for i := range moments {
		moments[i] = total/100 + dice.Int64N(total*95/100)
	}
	slices.Sort(moments)
	for _, at := range moments {
		w.until(fmt.Sprintf("%d messages are on their way", at), func() bool { return sent.Load() >= at || w.Failed() })
		w.kill()
		w.readStatuses()
	}
	work.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			w.Fatal(err)
		}
	}
	w.until("every customer's message is at the core", func() bool { return w.atCore() >= r.chats*r.each })
	w.until("nothing is pending", func() bool {
		out := w.books("out")
		return w.books("in").Pending == 0 && out.Pending == 0 && w.notConfirmed() <= int(out.Dead)
	})
}

func (w *simulated) customer(r run, chat int, sent *atomic.Int64) error {
	for n := range r.each {
		_, err := w.net.Act(w.account, control.Action{Do: "text", Chat: w.customerID(chat), User: w.user(chat), Text: wrote(chat, n)})
		if err != nil {
			return err
		}
		sent.Add(1)
		<-time.After(time.Duration(rand.IntN(20)) * time.Millisecond) //nolint:gosec // dice, no secret
	}
	return nil
}

// agent answers once the customer's first message is there.
func (w *simulated) agent(r run, chat int, sent *atomic.Int64) error {
	for heard := false; !heard; <-time.After(50 * time.Millisecond) {
		all, err := w.core.Sentences(w.Context(), w.channel)
		if err != nil {
			return err
		}
		heard = slices.ContainsFunc(all, func(x proc.Sentence) bool { return !x.Outbound && x.TrackingID == w.tracking(chat) })
	}
	for n := range r.each {
		err := w.core.Call(w.Context(), http.MethodPost, "/api/say", map[string]string{
			"port": w.channel, "tracking_id": w.tracking(chat), "id": answerID(chat, n), "text": said(n),
		}, nil)
		if err != nil {
			return err
		}
		sent.Add(1)
	}
	return nil
}

// atCore counts the customers' messages at the core.
func (w *simulated) atCore() (n int) {
	for _, x := range w.lines() {
		if !x.Outbound && x.Model == 0 {
			n++
		}
	}
	return n
}

func (w *simulated) lines() []proc.Sentence {
	w.Helper()
	all, err := w.core.Sentences(w.Context(), w.channel)
	if err != nil {
		w.Fatal(err)
	}
	return all
}

// notConfirmed counts answers the core has no confirmation for.
func (w *simulated) notConfirmed() (n int) {
	for _, x := range w.lines() {
		if x.Outbound && !x.Confirmed {
			n++
		}
	}
	return n
}

func (w *simulated) books(direction string) proc.Ledger {
	w.Helper()
	m, err := proc.Scrape(w.Context(), w.client, w.private)
	if err != nil {
		w.Fatal(err)
	}
	l, err := m.Ledger(w.channel, direction)
	if err != nil {
		w.Fatal(err)
	}
	return l
}

// checkCore: every customer's message exactly once. The networks bring them in no
// order, and what was lost comes later.
func (w *simulated) checkCore(r run) {
	w.Helper()
	chats, err := w.core.Chats(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	times := map[string]map[string]int{}
	for _, c := range chats {
		if c.Port != w.channel {
			continue
		}
		chat, err := w.core.Chat(w.Context(), c.ID)
		if err != nil {
			w.Fatal(err)
		}
		if times[c.TrackingID] == nil {
			times[c.TrackingID] = map[string]int{}
		}
		for _, line := range chat.Sentences {
			if !line.Outbound && line.Model == 0 {
				times[c.TrackingID][line.Text]++
			}
			if line.Model != 0 {
				w.hearNote(line.Text)
			}
		}
	}
	for chat := 1; chat <= r.chats; chat++ {
		for n := range r.each {
			if got := times[w.tracking(chat)][wrote(chat, n)]; got != 1 {
				w.Errorf("%q is at the core %d times", wrote(chat, n), got)
			}
		}
	}
}

// hearNote takes what the agent is told of an answer.
func (w *simulated) hearNote(text string) {
	w.Helper()
	var id string
	w.notes++
	if _, err := fmt.Sscanf(text, "It is not known whether message %s reached", &id); err == nil && w.mayNotKnow {
		w.notKnown[id] = true
		w.doubts++
		return
	}
	if _, err := fmt.Sscanf(text, "Message %s did reach", &id); err == nil && w.notKnown[id] {
		delete(w.notKnown, id)
		return
	}
	w.Errorf("a tech note: %q", text)
}

// checkPhones: every answer once and in order. The network can be asked what
// became of a send a kill found in flight, so nothing is repeated.
func (w *simulated) checkPhones(r run) {
	w.Helper()
	for chat := 1; chat <= r.chats; chat++ {
		conversation, err := w.net.Chat(context.Background(), w.account, w.customerID(chat), -1)
		if err != nil {
			w.Fatal(err)
		}
		var got, want []string
		for _, m := range conversation.Messages {
			if m.From == control.FromAgent {
				got = append(got, m.Text)
			}
		}
		for n := range r.each {
			if !w.notKnown[answerID(chat, n)] || slices.Contains(got, said(n)) {
				want = append(want, said(n))
			}
		}
		if !slices.Equal(got, want) {
			w.Errorf("the phone of %s shows %d answers, %q, want %d in order", w.customerID(chat), len(got), misplaced(got, want), len(want))
		}
	}
}

// misplaced is what of got is not where it should be, some of it.
func misplaced(got, want []string) (some []string) {
	for i, text := range got {
		if i >= len(want) || want[i] != text {
			some = append(some, text)
		}
		if len(some) == 5 {
			break
		}
	}
	return some
}

// readStatuses reads how far the parts are, and compares it with the last time.
func (w *simulated) readStatuses() {
	w.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.dir, "journal.db")+"?mode=ro")
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(w.Context(), `SELECT m.seq, m.parts FROM message m JOIN conversation c ON c.id = m.lane >> 1
		WHERE c.channel = ? AND m.lane & 1 = 1 AND m.parts IS NOT NULL`, w.channel)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var seq int64
		var text string
		if err := rows.Scan(&seq, &text); err != nil {
			w.Fatal(err)
		}
		var parts []struct {
			Status connectors.DeliveryStatus `json:"st"`
		}
		if err := json.Unmarshal([]byte(text), &parts); err != nil {
			w.Fatal(err)
		}
		for i, p := range parts {
			key := fmt.Sprint(seq, ".", i)
			if p.Status < w.furthest[key] {
				w.Errorf("part %s went back from %s to %s", key, w.furthest[key], p.Status)
			}
			w.furthest[key] = p.Status
		}
	}
	if err := rows.Err(); err != nil {
		w.Fatal(err)
	}
}

// checkStatuses: each part is as far as the phone has shown, but for reports that
// found nobody.
func (w *simulated) checkStatuses(r run) {
	w.Helper()
	lost := w.lost()
	read := 0
	w.until("the last reports have come", func() bool {
		w.readStatuses()
		read = 0
		for _, s := range w.furthest {
			if s == connectors.StatusRead {
				read++
			}
		}
		return read+lost+len(w.notKnown) >= r.chats*r.each
	})
	w.Logf("%d answers of which nobody knew what became of them, %d of them to the end", w.doubts, len(w.notKnown))
	w.Logf("%d of %d answers are known to be read, %d calls found nobody", read, r.chats*r.each, lost)
	if read == 0 || len(w.furthest) != r.chats*r.each {
		w.Errorf("%d parts are known of, want %d", len(w.furthest), r.chats*r.each)
	}
}

func (w *simulated) checkLedger(r run) {
	w.Helper()
	for direction, want := range map[string]proc.Ledger{
		"in":  {Accepted: int64(r.chats*r.each + w.notes)},
		"out": {Accepted: int64(r.chats * r.each), Dead: int64(w.doubts)},
	} {
		l := w.books(direction)
		w.Logf("ledger %s: %+v", direction, l)
		if !l.Balanced() || l.Accepted != want.Accepted || l.Dead != want.Dead {
			w.Errorf("the ledger of %s: %+v, want %d accepted and %d dead", direction, l, want.Accepted, want.Dead)
		}
	}
	offences, err := w.core.Offences(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	delete(offences.Total, refcore.OffenceUnconfirmed) // how long it took is the machine's doing; play saw each confirmed
	for name, n := range offences.Total {
		w.Errorf("offence %s: %d", name, n)
	}
}
