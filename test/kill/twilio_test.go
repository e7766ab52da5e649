package kill

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the journal is read as it lies on disk

	"servicelink/connectors"
	"servicelink/simprot/refcore"
	"servicelink/test/netsim"
	"servicelink/test/netsim/control"
	"servicelink/test/netsim/twilio"
	"servicelink/test/proc"
)

const (
	waChannel  = "wa"
	waSender   = "+420800123456"
	waAccount  = "AC0123456789abcdef0123456789abcdef"
	waToken    = "fedcba9876543210fedcba9876543210"
	waHookPath = "/connector/whatsapp/message"
)

// TestKillTwilio kills the gateway while 5,000 messages go each way through
// WhatsApp. A webhook that finds nobody is lost, and delivery reports come twice
// and in any order: every customer's message is at the core once, every answer is
// on its phone once and in order, and no delivery status ever goes backwards.
func TestKillTwilio(t *testing.T) {
	r := run{chats: 25, each: 200, kills: 10}
	s, w := newWhatsApp(t)
	s.start()
	w.play(r)
	w.checkCore(r)
	w.checkPhones(r)
	w.checkStatuses(r)
	w.checkLedger(r)
}

// whatsApp is the simulated Twilio beside a stage.
type whatsApp struct {
	*stage
	sim *netsim.Sim
	net *twilio.Network
	// furthest is how far each part was by what the journal said last.
	furthest map[string]connectors.DeliveryStatus
}

func newWhatsApp(t *testing.T) (*stage, *whatsApp) {
	t.Helper()
	s := prepare(t, "report")
	w := &whatsApp{stage: s, sim: netsim.New(netsim.Options{Seed: 1}), furthest: make(map[string]connectors.DeliveryStatus)}
	w.net = w.sim.Twilio().WhatsApp()
	server := httptest.NewServer(w.sim.Handler())
	t.Cleanup(func() {
		w.sim.Close()
		server.Close()
	})
	if err := w.net.AddAccount(twilio.Account{
		Account: waSender, AccountSID: waAccount, AuthToken: waToken, MessageURL: "http://" + s.public + waHookPath,
	}); err != nil {
		t.Fatal(err)
	}
	settings := w.net.Settings()
	settings.StatusSeconds = 0.05
	if err := w.net.SetSettings(settings); err != nil {
		t.Fatal(err)
	}
	for _, f := range []control.Fault{
		{Kind: control.Reorder, Method: "status", Chance: 0.3},
		{Kind: control.Duplicate, Method: "status", Chance: 0.3},
		{Kind: control.Duplicate, Method: "message", Chance: 0.1},
		{Kind: control.Lose, Method: "message", Chance: 0.01},
	} {
		if err := w.net.Fault(f); err != nil {
			t.Fatal(err)
		}
	}
	s.limits = "recover_after: 3s"
	s.more = fmt.Sprintf("  - { name: %s, network: whatsapp, unknown: report, settings: { account_sid: %s, auth_token: %s, from: %q, "+
		"api_url: \"%s/twilio\", messaging_url: \"%s/twilio/messaging\", messages_per_second: 1000 } }\n",
		waChannel, waAccount, waToken, waSender, server.URL, server.URL)
	return s, w
}

func phone(chat int) control.ID  { return control.ID(fmt.Sprintf("+4206010%05d", chat)) }
func waTracking(chat int) string { return string(phone(chat)) + "|whatsapp" }
func wrote(chat, n int) string   { return fmt.Sprintf("message %d of %d", n, chat) }
func said(n int) string          { return fmt.Sprint("answer ", n) }
func (w *whatsApp) user(n int) control.User {
	return control.User{ID: phone(n), FirstName: fmt.Sprint("Customer ", n)}
}

// play sends everything while the gateway is killed at random moments, and waits
// until nothing is left to do.
func (w *whatsApp) play(r run) {
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
		return w.waLedger("in").Pending == 0 && w.waLedger("out").Pending == 0 && w.waUnconfirmed() == 0
	})
}

func (w *whatsApp) customer(r run, chat int, sent *atomic.Int64) error {
	for n := range r.each {
		_, err := w.net.Act(waSender, control.Action{Do: "text", Chat: phone(chat), User: w.user(chat), Text: wrote(chat, n)})
		if err != nil {
			return err
		}
		sent.Add(1)
		<-time.After(time.Duration(rand.IntN(20)) * time.Millisecond) //nolint:gosec // dice, no secret
	}
	return nil
}

// agent answers once the customer's first message is there.
func (w *whatsApp) agent(r run, chat int, sent *atomic.Int64) error {
	for heard := false; !heard; <-time.After(50 * time.Millisecond) {
		all, err := w.core.Sentences(w.Context(), waChannel)
		if err != nil {
			return err
		}
		heard = slices.ContainsFunc(all, func(x proc.Sentence) bool { return !x.Outbound && x.TrackingID == waTracking(chat) })
	}
	for n := range r.each {
		err := w.core.Call(w.Context(), http.MethodPost, "/api/say", map[string]string{
			"port": waChannel, "tracking_id": waTracking(chat), "id": answerID(chat, n), "text": said(n),
		}, nil)
		if err != nil {
			return err
		}
		sent.Add(1)
	}
	return nil
}

// atCore counts the customers' messages at the core.
func (w *whatsApp) atCore() (n int) {
	for _, x := range w.waSentences() {
		if !x.Outbound && x.Model == 0 {
			n++
		}
	}
	return n
}

func (w *whatsApp) waSentences() []proc.Sentence {
	w.Helper()
	all, err := w.core.Sentences(w.Context(), waChannel)
	if err != nil {
		w.Fatal(err)
	}
	return all
}

// waUnconfirmed counts answers the core has no confirmation for.
func (w *whatsApp) waUnconfirmed() (n int) {
	for _, x := range w.waSentences() {
		if x.Outbound && !x.Confirmed {
			n++
		}
	}
	return n
}

func (w *whatsApp) waLedger(direction string) proc.Ledger {
	w.Helper()
	m, err := proc.Scrape(w.Context(), w.client, w.private)
	if err != nil {
		w.Fatal(err)
	}
	l, err := m.Ledger(waChannel, direction)
	if err != nil {
		w.Fatal(err)
	}
	return l
}

// checkCore: every customer's message exactly once. Twilio brings them in no
// order, and what was lost comes later.
func (w *whatsApp) checkCore(r run) {
	w.Helper()
	chats, err := w.core.Chats(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	times := map[string]map[string]int{}
	for _, c := range chats {
		if c.Port != waChannel {
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
				w.Errorf("a tech note: %q", line.Text)
			}
		}
	}
	for chat := 1; chat <= r.chats; chat++ {
		for n := range r.each {
			if got := times[waTracking(chat)][wrote(chat, n)]; got != 1 {
				w.Errorf("%q is at the core %d times", wrote(chat, n), got)
			}
		}
	}
}

// checkPhones: every answer once and in order. The network can be asked what
// became of a send a kill found in flight, so nothing is repeated.
func (w *whatsApp) checkPhones(r run) {
	w.Helper()
	for chat := 1; chat <= r.chats; chat++ {
		conversation, err := w.net.Chat(context.Background(), waSender, phone(chat), -1)
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
			want = append(want, said(n))
		}
		if !slices.Equal(got, want) {
			w.Errorf("the phone of %s shows %d answers, %q, want %d in order", phone(chat), len(got), misplaced(got, want), len(want))
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
func (w *whatsApp) readStatuses() {
	w.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.dir, "journal.db")+"?mode=ro")
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(w.Context(), `SELECT m.seq, m.parts FROM message m JOIN conversation c ON c.id = m.lane >> 1
		WHERE c.channel = ? AND m.lane & 1 = 1 AND m.parts IS NOT NULL`, waChannel)
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
func (w *whatsApp) checkStatuses(r run) {
	w.Helper()
	lost := len(w.net.Requests(control.Filter{Method: "alert"}))
	read := 0
	w.until("the last reports have come", func() bool {
		w.readStatuses()
		read = 0
		for _, s := range w.furthest {
			if s == connectors.StatusRead {
				read++
			}
		}
		return read+lost >= r.chats*r.each
	})
	w.Logf("%d of %d answers are known to be read, %d calls found nobody", read, r.chats*r.each, lost)
	if read == 0 || len(w.furthest) != r.chats*r.each {
		w.Errorf("%d parts are known of, want %d", len(w.furthest), r.chats*r.each)
	}
}

func (w *whatsApp) checkLedger(r run) {
	w.Helper()
	for _, direction := range []string{"in", "out"} {
		l := w.waLedger(direction)
		w.Logf("ledger %s: %+v", direction, l)
		if !l.Balanced() || l.Accepted != int64(r.chats*r.each) || l.Dead != 0 {
			w.Errorf("the ledger of %s: %+v, want %d and no dead letters", direction, l, r.chats*r.each)
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
