package mail

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
	"servicelink/simprot/refcore"
	"servicelink/test/ports"
	"servicelink/test/proc"
)

const (
	coreSecret = "secret-of-the-core"
	support    = "support@" + domain
)

// The gateways of every house.
var (
	mailbox = uuid.MustParse("5f0c7b52-97a7-4c11-9c9b-0a1f55a3be01")
	sender  = uuid.MustParse("5f0c7b52-97a7-4c11-9c9b-0a1f55a3be02")
	broken  = uuid.MustParse("5f0c7b52-97a7-4c11-9c9b-0a1f55a3be03")
)

// house is the gateway and a core, each a process, beside a mail server.
type house struct {
	*testing.T
	host     host
	bin, dir string

	gateway, core               *proc.Process
	gatewayLog, coreLog         *os.File
	public, private, core_, web string
	api                         *proc.Core
	client                      *http.Client
	kills                       int
	more                        string // of the configuration
}

// newHouse starts all of it, with a mailbox that is read by IMAP and a way out by
// SMTP.
func newHouse(t *testing.T, h host) *house {
	t.Helper()
	x := &house{
		T: t, host: h, bin: t.TempDir(), dir: proc.KeptDir(t, "messages"),
		public: ports.For(t), private: ports.For(t), core_: ports.For(t), web: ports.For(t),
		more:   "messages: { refresh: 30s }\n",
		client: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second}},
	}
	t.Cleanup(x.client.CloseIdleConnections)
	if err := proc.Build(t.Context(), x.bin, "servicelink/cmd/servicelink", "servicelink/cmd/refcore"); err != nil {
		t.Fatal(err)
	}
	x.api = &proc.Core{URL: "http://" + x.web, Client: x.client}
	x.gatewayLog, x.coreLog = x.create("gateway.log"), x.create("core.log")
	t.Cleanup(func() {
		for _, p := range []*proc.Process{x.gateway, x.core} {
			if p != nil {
				p.Kill()
			}
		}
	})
	x.configure()
	x.startCore()
	in := &simprot.GatewayInfo{
		Id: mailbox, DisplayName: "Support mailbox", PeerAddress: "@servicelink", Direction: simprot.DirectionIn,
		Device: device("ImapHost", map[string]any{"Poll": "5s", "Addresses": []string{support}}, h.imap(), h.ca()),
	}
	out := &simprot.GatewayInfo{
		Id: sender, DisplayName: "Support, outgoing", PeerAddress: "@servicelink", Direction: simprot.DirectionOut,
		Device: device("SmtpHost", map[string]any{"From": support, "Name": "Support"}, h.smtp(), h.ca()),
	}
	x.register(in, out)
	x.startGateway()
	return x
}

// device is a GatewayInfo.Device of a mail host.
func device(kind string, settings map[string]any, at endpoint, ca string) string {
	host, port, _ := strings.Cut(at.address, ":")
	all := map[string]any{"Host": host, "Port": json.Number(port), "Security": at.security, "CA": ca, "User": support, "Password": password}
	maps.Copy(all, settings)
	text, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return kind + " " + string(text)
}

func (x *house) create(name string) *os.File {
	x.Helper()
	f, err := os.Create(filepath.Join(x.dir, name))
	if err != nil {
		x.Fatal(err)
	}
	x.Cleanup(func() { _ = f.Close() })
	return f
}

func (x *house) configure() {
	x.Helper()
	text := fmt.Sprintf(`
core:    { address: %q, account: servicelink, secret: %q }
journal: { path: %q }
public:  { listen: %q, url: "http://%s" }
private: { listen: %q }
%s`, x.core_, coreSecret, filepath.Join(x.dir, "journal.db"), x.public, x.public, x.private, x.more)
	if err := os.WriteFile(filepath.Join(x.dir, "gateway.yaml"), []byte(text), 0o600); err != nil {
		x.Fatal(err)
	}
}

func (x *house) startCore() {
	x.Helper()
	var err error
	x.core, err = proc.Start(x.coreLog, []string{"REFCORE_SECRET=" + coreSecret}, filepath.Join(x.bin, "refcore"),
		"-listen", x.core_, "-http", x.web, "-store", filepath.Join(x.dir, "core.db"))
	if err != nil {
		x.Fatal(err)
	}
	x.until("the core answers", func() bool {
		return x.api.Call(x.Context(), http.MethodGet, "/api/stats", nil, nil) == nil
	})
}

// register sets the core's register of gateways.
func (x *house) register(list ...*simprot.GatewayInfo) {
	x.Helper()
	if err := x.api.Call(x.Context(), http.MethodPut, "/api/gateways", map[string]any{"gateways": list}, nil); err != nil {
		x.Fatal(err)
	}
}

// startGateway starts it and waits until it has asked the core for its gateways.
func (x *house) startGateway() {
	x.Helper()
	var err error
	x.gateway, err = proc.Start(x.gatewayLog, nil, filepath.Join(x.bin, "servicelink"), "run", "--config", filepath.Join(x.dir, "gateway.yaml"))
	if err != nil {
		x.Fatal(err)
	}
	x.until("the gateway has read the register", func() bool {
		m, err := proc.Scrape(x.Context(), x.client, x.private)
		if err != nil {
			return false
		}
		_, n := m.Sum("servicelink_gateway_info")
		return n > 0
	})
}

// until waits for something that processes do.
func (x *house) until(what string, ok func() bool) {
	x.Helper()
	end := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(end) {
			x.Fatalf("not within %v: %s", patience, what)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-x.Context().Done():
			x.Fatal("stopped")
		}
	}
}

// messages lists what the core has of a direction, with bodies.
func (x *house) messages(direction string) (list []refcore.Message) {
	x.Helper()
	all := x.tryMessages(direction)
	if all == nil {
		x.Fatal("the core does not tell its messages")
	}
	return all
}

// tryMessages is messages for a core that may be away: nil then.
func (x *house) tryMessages(direction string) []refcore.Message {
	var all []refcore.Message
	if x.api.Call(x.Context(), http.MethodGet, "/api/messages?full", nil, &all) != nil {
		return nil
	}
	list := []refcore.Message{}
	for _, m := range all {
		if m.Content.Direction == direction {
			list = append(list, m)
		}
	}
	return list
}

// send has the core send a message.
func (x *house) send(m simprot.MessageContentInfo) uuid.UUID {
	x.Helper()
	m.GatewayId = sender
	var told struct{ ID uuid.UUID }
	if err := x.api.Call(x.Context(), http.MethodPost, "/api/messages", m, &told); err != nil {
		x.Fatal(err)
	}
	return told.ID
}

// settled waits until a message has an end.
func (x *house) settled(id uuid.UUID) (m refcore.Message) {
	x.Helper()
	x.until("message "+id.String()+" has an end", func() bool {
		return x.api.Call(x.Context(), http.MethodGet, "/api/messages/"+id.String(), nil, &m) == nil && m.State != refcore.MessageSending
	})
	return m
}

// offences fails the test for each that the core has counted.
func (x *house) offences() {
	x.Helper()
	var report refcore.OffenceReport
	if err := x.api.Call(x.Context(), http.MethodGet, "/api/offences", nil, &report); err != nil {
		x.Fatal(err)
	}
	if len(report.Total) > 0 {
		x.Errorf("offences %v: %v", report.Total, report.Last)
	}
}

// ledger is the gateway's account of one of its channels.
func (x *house) ledger(channel uuid.UUID, direction string) proc.Ledger {
	x.Helper()
	m, err := proc.Scrape(x.Context(), x.client, x.private)
	if err != nil {
		x.Fatal(err)
	}
	l, err := m.Ledger(channel.String(), direction)
	if err != nil {
		x.Fatal(err)
	}
	return l
}

// faults are what the gateway says is not well with a channel, or with anything else
// where it is uuid.Nil.
func (x *house) faults(channel uuid.UUID) (faults map[string]string) {
	x.Helper()
	query := ""
	if channel != uuid.Nil {
		query = "?channel=" + channel.String()
	}
	resp, err := x.client.Get("http://" + x.private + "/readyz" + query) //nolint:noctx // the client has a time-out
	if err != nil {
		x.Fatal(err)
	}
	defer resp.Body.Close()
	var told struct{ Faults, Unwell []struct{ What, Hint string } }
	if err := json.NewDecoder(resp.Body).Decode(&told); err != nil && resp.StatusCode != http.StatusNotFound {
		x.Fatal(err)
	}
	faults = map[string]string{}
	for _, f := range append(told.Faults, told.Unwell...) {
		faults[f.What] = f.Hint
	}
	return faults
}

func (x *house) unwell() map[string]string { x.Helper(); return x.faults(uuid.Nil) }

// told waits until a fault of a channel has one of some words in its hint.
func (x *house) told(channel uuid.UUID, words ...string) {
	x.Helper()
	var last map[string]string
	defer func() { x.Logf("told: %v", last) }()
	x.until("the gateway says "+strings.Join(words, " or "), func() bool {
		last = x.faults(channel)
		for _, hint := range last {
			for _, word := range words {
				if strings.Contains(hint, word) {
					return true
				}
			}
		}
		return false
	})
}

// gateways is the core's register.
func (x *house) gateways() (list []*simprot.GatewayInfo) {
	x.Helper()
	if err := x.api.Call(x.Context(), http.MethodGet, "/api/gateways", nil, &list); err != nil {
		x.Fatal(err)
	}
	return list
}

// restartGateway ends it in order and starts it again.
func (x *house) restartGateway() {
	x.Helper()
	if err := x.gateway.Signal(syscall.SIGTERM); err != nil {
		x.Fatal(err)
	}
	<-x.gateway.Ended()
	x.startGateway()
}
