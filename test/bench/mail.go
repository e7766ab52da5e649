package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/google/uuid"

	"servicelink/simprot"
	"servicelink/test/corpus"
	netsim "servicelink/test/netsim/mail"
)

const (
	mails        = 1000
	mailBytes    = 50_000
	largeMails   = 10
	largeBytes   = 25 << 20
	hostileBytes = 1 << 20
	mailUser     = "support@example.test"
	mailPassword = "password-of-the-benchmark"
)

var mailGateway = uuid.MustParse("5f0c7b52-97a7-4c11-9c9b-0a1f55a3be01")

// mail measures how fast mails come from a mailbox on this machine to the core's
// "true", beside a program that fetches the same mails and throws them away; what
// large mails cost in memory, and hostile ones in time. The mailbox is the simulated
// one of this repository, in this process.
func mail(ctx context.Context, s *settings) error {
	var rates, bare, resident []float64
	for i := range s.runs {
		r, err := mailRun(ctx, s, smallMails(uint64(i)))
		if err != nil {
			return err
		}
		rate := mails / r.took.Seconds()
		rates, bare, resident = append(rates, rate), append(bare, mails/r.bare.Seconds()), append(resident, float64(r.above>>20))
		fmt.Fprintf(s.out, "run %d  %4.0f mails of %d kB/s to the core's \"true\"; fetched and thrown away %4.0f/s; gateway %.1f ms CPU a mail, %d MB above idle\n",
			i+1, rate, mailBytes/1000, mails/r.bare.Seconds(), 1000*r.cpu.Seconds()/mails, r.above>>20)
	}
	fmt.Fprintf(s.out, "median %4.0f/s  (asked: 200)  ratio to fetching alone %.2f  %.0f MB above idle  (asked: 64)\n",
		median(rates), median(rates)/median(bare), median(resident))
	r, err := mailRun(ctx, s, append(bigMails(), smallMails(99)[:200]...))
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%d mails of 25 MB among 200 small ones: %v, gateway at most %d MB above idle  (asked: 64)\n",
		largeMails, r.took.Round(10*time.Millisecond), r.above>>20)
	return hostileMails(ctx, s)
}

// mailOutcome is what one run of the gateway took.
type mailOutcome struct {
	took, bare time.Duration
	cpu        time.Duration
	above      int64 // bytes of memory above idle, at most
}

// mailHouse is a mailbox, a core and a gateway that waits for its mails.
type mailHouse struct {
	server  *netsim.Server
	core    *process
	gateway *stage
	idle    usage
}

func newMailHouse(ctx context.Context, s *settings) (h *mailHouse, err error) {
	h = new(mailHouse)
	defer func() { //nolint:contextcheck // the simulated host has a life of its own
		if err != nil {
			h.close()
		}
	}()
	if h.server, err = netsim.New(netsim.Options{Plain: true}); err != nil { //nolint:contextcheck // the simulated host has a life of its own
		return h, err
	}
	if err := h.server.AddMailbox(mailUser, mailPassword); err != nil {
		return h, err
	}
	dir, err := os.MkdirTemp(s.data, "mail-")
	if err != nil {
		return h, err
	}
	host, port, _ := strings.Cut(h.server.IMAP(), ":")
	register, err := json.Marshal(simprot.GatewayList{{
		Id: mailGateway, PeerAddress: "@servicelink", Direction: simprot.DirectionIn,
		Device: fmt.Sprintf(`ImapHost {"Host": %q, "Port": %s, "Security": "none", "User": %q, "Password": %q}`, host, port, mailUser, mailPassword),
	}})
	if err != nil {
		return h, err
	}
	file := filepath.Join(dir, "gateways.json")
	if err := os.WriteFile(file, register, 0o600); err != nil {
		return h, err
	}
	var address string
	if h.core, address, err = startCore(ctx, s, "-gateways", file); err != nil {
		return h, err
	}
	if h.gateway, err = launch(ctx, s, dir, address, "  []\n"); err != nil {
		return h, err
	}
	// It has the register and idles in the mailbox.
	err = h.gateway.await(ctx, 30*time.Second, func(m samples) bool {
		return m.sum("servicelink_channel_state", `channel="`+mailGateway.String()+`"`, `state="ok"`) == 1
	})
	if err == nil && !waitUntil(ctx, time.Now().Add(2*time.Second)) {
		err = ctx.Err()
	}
	h.idle = h.gateway.gateway.usage()
	return h, err
}

func (h *mailHouse) close() {
	if h.gateway != nil {
		h.gateway.gateway.stop()
	}
	if h.core != nil {
		h.core.stop()
	}
	if h.server != nil {
		h.server.Close()
	}
}

// done waits until the core has so many mails.
func (h *mailHouse) done(ctx context.Context, n int) error {
	err := h.gateway.watch(ctx, 5*time.Minute, 50*time.Millisecond, func(m samples) bool {
		return m.sum("servicelink_ledger", `channel="`+mailGateway.String()+`"`, `direction="in"`, `state="done"`) >= float64(n)
	})
	if err != nil {
		return errors.Join(err, errors.New(h.gateway.gateway.log.String()))
	}
	return nil
}

func mailRun(ctx context.Context, s *settings, list [][]byte) (r mailOutcome, err error) {
	h, err := newMailHouse(ctx, s)
	if err != nil {
		return r, err
	}
	defer h.close()                                 //nolint:contextcheck // the simulated host has a life of its own
	if r.bare, err = fetchAlone(list); err != nil { //nolint:contextcheck // the simulated host has a life of its own
		return r, err
	}
	profiled := s.startProfile(ctx, h.gateway)
	began := time.Now()
	for _, raw := range list {
		if err := h.server.Append(mailUser, raw); err != nil {
			return r, err
		}
	}
	if err := h.done(ctx, len(list)); err != nil {
		return r, err
	}
	r.took = time.Since(began)
	used := h.gateway.gateway.usage()
	r.cpu, r.above = used.since(h.idle).cpu, used.resident-h.idle.now
	return r, profiled()
}

// hostileMails measures each kind of mail that is made to be dear: the time to the
// core's "true", and the gateway's CPU.
func hostileMails(ctx context.Context, s *settings) error {
	h, err := newMailHouse(ctx, s)
	if err != nil {
		return err
	}
	defer h.close() //nolint:contextcheck // the simulated host has a life of its own
	var worst time.Duration
	var worstCPU time.Duration
	list := corpus.Hostile(hostileBytes)
	for _, m := range list {
		// The simulated server does not tell in IDLE what came just before it.
		if !waitUntil(ctx, time.Now().Add(100*time.Millisecond)) {
			return ctx.Err()
		}
		before, began := h.gateway.gateway.usage(), time.Now()
		if err := h.server.Append(mailUser, m.Raw); err != nil {
			return err
		}
		// Not by the ledger: two of them are the same mail but for what servers add.
		limit, cancel := context.WithTimeout(ctx, time.Minute)
		err := h.server.AwaitCount(limit, mailUser, "INBOX", 0)
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		took, cpu := time.Since(began), h.gateway.gateway.usage().since(before).cpu
		if cpu > worstCPU {
			fmt.Fprintf(s.out, "hostile %s: %v, %v CPU\n", m.Name, took.Round(time.Millisecond), cpu.Round(time.Millisecond))
		}
		worst, worstCPU = max(worst, took), max(worstCPU, cpu)
	}
	fmt.Fprintf(s.out, "%d kinds of hostile mails of 1 MB: at most %v to the core's \"true\", %v CPU  (asked: 1 s)\n",
		len(list), worst.Round(time.Millisecond), worstCPU.Round(time.Millisecond))
	return nil
}

// fetchAlone is the bare baseline: the same mails, the same library, one connection,
// and nothing done with them.
func fetchAlone(list [][]byte) (took time.Duration, err error) {
	server, err := netsim.New(netsim.Options{Plain: true})
	if err != nil {
		return 0, err
	}
	defer server.Close()
	if err := server.AddMailbox(mailUser, mailPassword); err != nil {
		return 0, err
	}
	for _, raw := range list {
		if err := server.Append(mailUser, raw); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	conn, err := net.Dial("tcp", server.IMAP()) //nolint:noctx // on this machine
	if err != nil {
		return 0, err
	}
	client := imapclient.New(conn, nil)
	defer client.Close()
	if err := client.Login(mailUser, mailPassword).Wait(); err != nil {
		return 0, err
	}
	if _, err := client.Select("INBOX", nil).Wait(); err != nil {
		return 0, err
	}
	fetch := client.Fetch(imap.SeqSet{{Start: 1}}, &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{Peek: true}}})
	for message := fetch.Next(); message != nil; message = fetch.Next() {
		for item := message.Next(); item != nil; item = message.Next() {
			if body, ok := item.(imapclient.FetchItemDataBodySection); ok {
				if _, err := io.Copy(io.Discard, body.Literal); err != nil {
					return 0, err
				}
			}
		}
	}
	return time.Since(began), fetch.Close()
}

// smallMails are 1,000 of 50 kB: text, HTML, and an attachment that makes up the rest.
func smallMails(seed uint64) (list [][]byte) {
	dice := rand.NewChaCha8([32]byte{byte(seed)})
	for i := range mails {
		list = append(list, mailOf(dice, fmt.Sprintf("%d.%d", seed, i), mailBytes))
	}
	return list
}

// bigMails are of 25 MB: all attachments but one, which is text.
func bigMails() (list [][]byte) {
	dice := rand.NewChaCha8([32]byte{1})
	for i := range largeMails - 1 {
		list = append(list, mailOf(dice, fmt.Sprint("large.", i), largeBytes))
	}
	text := fmt.Sprintf("From: a@example.test\r\nTo: %s\r\nMessage-ID: <large.text@bench.test>\r\nSubject: text\r\n\r\n", mailUser)
	return append(list, append([]byte(text), bytes.Repeat([]byte("All work and no play makes a dull line of text in a mail.\r\n"), largeBytes/59)...))
}

func mailOf(dice *rand.ChaCha8, id string, size int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: Customer %[1]s <customer-%[1]s@example.test>\r\nTo: %[2]s\r\nMessage-ID: <%[1]s@bench.test>\r\nSubject: mail %[1]s\r\n"+
		"Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=outer\r\n\r\n", id, mailUser)
	b.WriteString("--outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n--inner\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
	for range 40 {
		b.WriteString("A line of text as people write it, to be read by an agent.\r\n")
	}
	b.WriteString("--inner\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>")
	for range 40 {
		b.WriteString("A line of text as people write it, to be read by an agent.<br>\r\n")
	}
	b.WriteString("</p>\r\n--inner--\r\n--outer\r\nContent-Type: image/jpeg; name=picture.jpg\r\nContent-Transfer-Encoding: base64\r\n" +
		"Content-Disposition: attachment; filename=picture.jpg\r\n\r\n")
	line := make([]byte, 57)
	for b.Len() < size {
		_, _ = dice.Read(line)
		b.WriteString(base64.StdEncoding.EncodeToString(line) + "\r\n")
	}
	b.WriteString("--outer--\r\n")
	return b.Bytes()
}
