package mail

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"servicelink/simprot"
	"servicelink/simprot/refcore"
	"servicelink/test/corpus"
)

// TestOnce: every mail of the collections and 500 made ones are at the core once
// each, whole, while the gateway is killed, the core restarted and the mail server
// taken away at random; then they lie in the folder of what is done.
func TestOnce(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	h := newHost(t)
	mails := slices.DeleteFunc(corpus.All(t), func(m corpus.Mail) bool { return !h.keeps(t, m.Raw) })
	if len(mails) < 100 {
		t.Fatalf("%d mails of the collections", len(mails))
	}
	for i, m := range corpus.Make(uint64(time.Now().UnixNano()), 500) {
		mails = append(mails, corpus.Mail{Name: fmt.Sprintf("made %d: %s", i, m.Name), Raw: m.Raw})
	}
	x := newHouse(t, h)
	seed := uint64(time.Now().UnixNano())
	dice := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // dice, no secret
	t.Logf("seed %d, %d mails", seed, len(mails))
	blows := []func(){x.killGateway, x.killGateway, x.restartCore, func() { h.stop(t); h.start(t) }, func() { h.renumber(t) }}
	every := len(mails) / 12
	for i, m := range mails {
		h.deliver(t, support, m.Raw)
		if i%every == every-1 {
			<-time.After(time.Duration(dice.IntN(400)) * time.Millisecond)
			blows[dice.IntN(len(blows))]()
		}
	}
	want := map[string]string{}
	for _, m := range mails {
		want[sum(m.Raw)] = m.Name
	}
	x.until("the mailbox is empty", func() bool { return len(h.folder(t, support, "INBOX")) == 0 })
	x.until("nothing is pending", func() bool { return x.ledger(mailbox, "in").Pending == 0 })
	if failed := h.folder(t, support, "Servicelink/Failed"); len(failed) != 0 {
		t.Errorf("%d mails have failed", len(failed))
	}
	done := map[string]bool{}
	for _, raw := range h.folder(t, support, "Servicelink/Done") { // one may be there twice, if a blow came between copy and deletion
		done[sum(raw)] = true
	}
	for hash, name := range want {
		if !done[hash] {
			t.Errorf("%s (%.12s) is not among what is done", name, hash)
		}
	}
	x.checkOnce(want)
	l := x.ledger(mailbox, "in")
	if !l.Balanced() || l.Dead != 0 {
		t.Errorf("the ledger is %+v", l)
	}
	t.Logf("ledger %+v, %d kills", l, x.kills)
	x.offences()
}

// checkOnce compares the originals that the core has links to with what was sent.
func (x *house) checkOnce(want map[string]string) {
	x.Helper()
	times := map[string]int{}
	systems := map[string]int{}
	for _, m := range x.messages(simprot.DirectionIn) {
		times[sum(x.original(m))]++
		systems[m.Content.DeliverySystemId]++
	}
	for id, n := range systems {
		if n != 1 {
			x.Errorf("DeliverySystemId %q is there %d times", id, n)
		}
	}
	for hash, name := range want {
		if times[hash] != 1 {
			x.Errorf("%s (%.12s) is at the core %d times", name, hash, times[hash])
		}
		delete(times, hash)
	}
	if len(times) > 0 {
		x.Errorf("the core has %d mails that nobody sent", len(times))
	}
}

// original fetches the mail as it came by the link at the core.
func (x *house) original(m refcore.Message) []byte {
	x.Helper()
	var fields simprot.MessageFields
	if err := json.Unmarshal([]byte(m.Content.ExtendedFields), &fields); err != nil {
		x.Fatalf("ExtendedFields of %s: %v", m.ID, err)
	}
	at := slices.IndexFunc(fields.Files, func(f simprot.FileFields) bool { return f.Original })
	if at < 0 || fields.Files[at].URL == "" {
		x.Fatalf("message %s has no original", m.ID)
	}
	resp, err := x.client.Get(fields.Files[at].URL) //nolint:noctx // the client has a time-out
	if err != nil {
		x.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		x.Fatalf("the original of %s: %s, %v", m.ID, resp.Status, err)
	}
	return raw
}

// sum names a mail by its content. How lines end is the mail server's affair.
func sum(raw []byte) string {
	h := sha256.Sum256(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")))
	return hex.EncodeToString(h[:])
}

// killGateway ends the gateway without a word and starts it again.
func (x *house) killGateway() {
	x.gateway.Kill()
	x.kills++
	x.startGateway()
}

// restartCore does the same with the core.
func (x *house) restartCore() {
	x.core.Kill()
	x.kills++
	x.startCore()
}
