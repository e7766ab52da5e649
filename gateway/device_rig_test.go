package gateway

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/simprot"
)

// registerHouse is a gateway before a core that answers by a script: every RESYNC
// with no chats, and the question for the register as it is told.
type registerHouse struct {
	*house
	devices *fakeDevices

	mu     sync.Mutex
	list   simprot.GatewayList // what the core has registered
	silent bool                // it does not answer for it
	asked  []string            // the addresses it was asked for
	ports  map[string]bool     // the Ports of RESYNC
}

// inRegister runs a test in a bubble with everything started; prepare is called
// before.
func inRegister(t *testing.T, prepare, test func(r *registerHouse)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &registerHouse{house: newHouse(t), devices: &fakeDevices{}, ports: map[string]bool{}}
		r.house.devices = r.devices.definitions()
		r.cfg.Messages = config.Messages{Address: testPeer, Register: true, Refresh: 5 * time.Minute}
		if prepare != nil {
			prepare(r)
		}
		server := simprot.NewServer(simprot.ServerConfig{
			Welcome: simprot.Welcome{Server: "script", Fences: true, Asks: true}, Login: true,
			Authenticate: func(simprot.Login) string { return "" },
			OnPacket:     r.answer,
		})
		ctx, stopCore := context.WithCancel(context.Background())
		served := make(chan error, 1)
		go func() { served <- server.Serve(ctx, r.door) }()
		r.start()
		defer func() {
			r.stop()
			r.balanced()
			stopCore()
			<-served
			r.disk.Close()
		}()
		r.waits(time.Second)
		test(r)
	})
}

func (r *registerHouse) answer(c *simprot.ServerConn, p simprot.Packet) {
	extras := simprot.Extras{Ask: p.Extras.Ask}
	switch p.Code {
	case simprot.CodeChatResync:
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ports[p.Payload.(*simprot.ChatCommandInfo).Port] = true
		_ = c.Send(simprot.Packet{Code: simprot.CodeChatList, Payload: simprot.ChatStatusList{}, Extras: extras})
	case simprot.CodeGatewaysAsk:
		r.mu.Lock()
		defer r.mu.Unlock()
		r.asked = append(r.asked, string(p.Payload.(simprot.Text)))
		if !r.silent {
			_ = c.Send(simprot.Packet{Code: simprot.CodeGateways, Payload: slices.Clone(r.list), Extras: extras})
		}
	}
}

// registers sets what the core has registered.
func (r *registerHouse) registers(list ...*simprot.GatewayInfo) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = list
}

func (r *registerHouse) answers(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent = !on
}

func (r *registerHouse) questions() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

// gatewayID is the nth gateway's.
func gatewayID(n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("6f9619ff-8b86-d011-b42d-%012x", n))
}

func in(n int, device string) *simprot.GatewayInfo {
	return &simprot.GatewayInfo{
		Id: gatewayID(n), DisplayName: fmt.Sprintf("Mailbox %d", n), PeerAddress: testPeer, Device: device, Direction: simprot.DirectionIn,
	}
}

func out(n int, device string) *simprot.GatewayInfo {
	info := in(n, device)
	info.Direction = simprot.DirectionOut
	return info
}

// serves lists the gateways that are channels now, as "n:device direction".
func (r *registerHouse) serves() (list []string) {
	for _, ch := range r.gw.now().ordered {
		if ch.isGateway() {
			id := uuid.MustParse(ch.cfg.Name)
			list = append(list, fmt.Sprintf("%d:%s", id[15], ch.cfg.Gateway.Device))
		}
	}
	slices.Sort(list)
	return list
}

func (r *registerHouse) wantServed(want ...string) {
	r.Helper()
	if got := r.serves(); !slices.Equal(got, want) {
		r.Errorf("served are %v, not %v", got, want)
	}
}

// fakeDevices are types of devices that count their starts.
type fakeDevices struct {
	mu    sync.Mutex
	built map[string][]*fakeDevice // by id
	hang  chan struct{}            // when set, a Run that ends waits for it
}

// fakeSettings are those of every type.
type fakeSettings struct {
	Host     string        `yaml:"Host,required"`
	Password config.Secret `yaml:"Password"`
}

func (f *fakeDevices) definitions() []connectors.DeviceDefinition {
	return []connectors.DeviceDefinition{
		{Type: "ImapHost", Network: "email", In: true, New: f.newIn},
		{Type: "SmtpHost", Network: "email", Out: true, New: f.newOut},
		{Type: "Sms", Network: "sms", In: true, Out: true, New: f.newHook},
		{Type: "Panic", Network: "email", In: true, New: func(config.Channel, connectors.Dependencies) (connectors.Device, error) { panic("boom") }},
		{Type: "Deaf", Network: "email", In: true, Out: true, New: func(config.Channel, connectors.Dependencies) (connectors.Device, error) {
			return fakeNothing{}, nil
		}},
	}
}

// fakeNothing keeps no rule of any direction.
type fakeNothing struct{}

func (fakeNothing) Capabilities() connectors.Capabilities { return connectors.Capabilities{} }

// fakeDevice is one built device.
type fakeDevice struct {
	fakeNothing
	all      *fakeDevices
	cfg      config.Channel
	settings fakeSettings
	runs     atomic.Int64
	running  atomic.Bool
	closed   atomic.Int64
}

func (f *fakeDevices) build(c config.Channel) (*fakeDevice, error) {
	d := &fakeDevice{all: f, cfg: c}
	if err := c.Settings.Decode(&d.settings); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.built == nil {
		f.built = make(map[string][]*fakeDevice)
	}
	f.built[c.Name] = append(f.built[c.Name], d)
	return d, nil
}

func (f *fakeDevices) newIn(c config.Channel, _ connectors.Dependencies) (connectors.Device, error) {
	d, err := f.build(c)
	if err != nil {
		return nil, err
	}
	return &fakeReader{d}, nil
}

func (f *fakeDevices) newOut(c config.Channel, _ connectors.Dependencies) (connectors.Device, error) {
	d, err := f.build(c)
	if err != nil {
		return nil, err
	}
	return &fakeSender{d}, nil
}

func (f *fakeDevices) newHook(c config.Channel, lent connectors.Dependencies) (connectors.Device, error) {
	if !c.Gateway.Inbound {
		return f.newOut(c, lent)
	}
	d, err := f.build(c)
	if err != nil {
		return nil, err
	}
	return &fakeHook{d}, nil
}

func (d *fakeDevice) Close() error { d.closed.Add(1); return nil }

// fakeReader is a device that fetches.
type fakeReader struct{ *fakeDevice }

func (d *fakeReader) Run(ctx context.Context, in connectors.Inbox) error {
	d.runs.Add(1)
	d.running.Store(true)
	defer d.running.Store(false)
	in.Working()
	<-ctx.Done()
	d.all.mu.Lock()
	hang := d.all.hang
	d.all.mu.Unlock()
	if hang != nil {
		<-hang
	}
	return ctx.Err()
}

// Examine finds its credentials well.
func (d *fakeReader) Examine(context.Context, connectors.Examination) []connectors.Check {
	return []connectors.Check{wellCheck(connectors.CheckCredentials, "the mailbox opens")}
}

// fakeSender is a device that sends.
type fakeSender struct{ *fakeDevice }

func (*fakeSender) Parts(m *connectors.Message) ([]string, error) { return m.Recipients.To, nil }

func (*fakeSender) SendMessage(context.Context, *connectors.Message, string) (connectors.Receipt, error) {
	return connectors.Receipt{}, nil
}

// fakeHook is a device that is called.
type fakeHook struct{ *fakeDevice }

func (d *fakeHook) Webhooks() []connectors.Webhook {
	hooks := (&fakeNetwork{path: "/hook/" + d.settings.Host}).Webhooks()
	return hooks
}

func (d *fakeHook) Exclusive() string { return d.settings.Host }

// of gives all that was built for a gateway, the latest last.
func (f *fakeDevices) of(n int) []*fakeDevice {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.built[gatewayID(n).String()])
}

// wantBuilt checks how often a gateway was built, and that all but the latest ended.
func (r *registerHouse) wantBuilt(n, times int, runs bool) {
	r.Helper()
	all := r.devices.of(n)
	if len(all) != times {
		r.Errorf("gateway %d was built %d times, not %d", n, len(all), times)
		return
	}
	for i, d := range all {
		last := i == times-1 && runs
		if d.running.Load() != last || d.closed.Load() == 0 != last {
			r.Errorf("gateway %d, built %d of %d: runs %v, closed %d", n, i+1, times, d.running.Load(), d.closed.Load())
		}
	}
}
