package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// passage is what went over a connection in one direction at a time.
type passage struct {
	way  direction
	at   time.Time
	data []byte
}

// tee is a client's connection that keeps what passes.
type tee struct {
	net.Conn
	mu  *sync.Mutex
	log *[]passage
}

func (c tee) keep(way direction, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*c.log = append(*c.log, passage{way, time.Now(), bytes.Clone(b)})
}

func (c tee) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.keep(toGateway, b[:n])
	return n, err
}

func (c tee) Write(b []byte) (int, error) {
	c.keep(toCore, b) // before the answer can be
	return c.Conn.Write(b)
}

// overheard is a conversation with a reference core, as it went over the wire.
func overheard(t *testing.T) []passage {
	t.Helper()
	core, address := startCore(t, refcore.Options{Fences: true, Asks: true})
	var mu sync.Mutex
	var log []passage
	converse(t, core, simprot.ClientConfig{
		Address: address,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			return tee{c, &mu, &log}, err
		},
	})
	mu.Lock()
	defer mu.Unlock()
	return log
}

// tapped makes the packets of a capture of passages, segments of n bytes each.
type tapped struct {
	t        testing.TB
	corePort uint16
	next     map[direction]uint32
	packets  [][]byte
}

func newTapped(t testing.TB, corePort uint16) *tapped {
	return &tapped{t: t, corePort: corePort, next: map[direction]uint32{toCore: 4_294_967_000, toGateway: 77}}
}

func (c *tapped) segment(way direction, tcp layers.TCP, data []byte) {
	c.t.Helper()
	gateway, core := net.IPv4(10, 0, 0, 5).To4(), net.IPv4(10, 0, 0, 9).To4()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: gateway, DstIP: core}
	tcp.SrcPort, tcp.DstPort = 40_000, layers.TCPPort(c.corePort)
	if way == toGateway {
		ip.SrcIP, ip.DstIP = core, gateway
		tcp.SrcPort, tcp.DstPort = tcp.DstPort, tcp.SrcPort
	}
	tcp.Seq = c.next[way]
	c.next[way] += uint32(len(data))
	if tcp.SYN || tcp.FIN {
		c.next[way]++
	}
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	buf := gopacket.NewSerializeBuffer()
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		c.t.Fatal(err)
	}
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{SrcMAC: mac, DstMAC: mac, EthernetType: layers.EthernetTypeIPv4}, ip, &tcp, gopacket.Payload(data))
	if err != nil {
		c.t.Fatal(err)
	}
	c.packets = append(c.packets, bytes.Clone(buf.Bytes()))
}

func (c *tapped) begin() {
	c.segment(toCore, layers.TCP{SYN: true}, nil)
	c.segment(toGateway, layers.TCP{SYN: true, ACK: true}, nil)
}

func (c *tapped) say(way direction, data []byte, n int) {
	for len(data) > 0 {
		part := data[:min(n, len(data))]
		c.segment(way, layers.TCP{ACK: true}, part)
		data = data[len(part):]
	}
}

func (c *tapped) finish() {
	c.segment(toCore, layers.TCP{FIN: true, ACK: true}, nil)
	c.segment(toGateway, layers.TCP{FIN: true, ACK: true}, nil)
}

var began = time.Date(2026, 11, 22, 7, 36, 41, 0, time.UTC)

// pcapng writes the packets a millisecond apart.
func (c *tapped) pcapng() []byte {
	var file bytes.Buffer
	w, err := pcapgo.NewNgWriter(&file, layers.LinkTypeEthernet)
	if err != nil {
		c.t.Fatal(err)
	}
	for i, p := range c.packets {
		at := began.Add(time.Duration(i) * time.Millisecond)
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(p), Length: len(p)}, p); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		c.t.Fatal(err)
	}
	return file.Bytes()
}

func (c *tapped) pcap() []byte {
	var file bytes.Buffer
	w := pcapgo.NewWriterNanos(&file)
	if err := w.WriteFileHeader(1<<16, layers.LinkTypeEthernet); err != nil {
		c.t.Fatal(err)
	}
	for i, p := range c.packets {
		at := began.Add(time.Duration(i) * time.Millisecond)
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(p), Length: len(p)}, p); err != nil {
			c.t.Fatal(err)
		}
	}
	return file.Bytes()
}

// TestLiveCapture reads captures of a real conversation, in every format, and
// in the order a network may bring them.
func TestLiveCapture(t *testing.T) {
	log := overheard(t)
	c := newTapped(t, 18321)
	c.begin()
	for _, p := range log {
		c.say(p.way, p.data, 50)
	}
	c.finish()
	whole := dumpFine(t, c.pcapng())
	checkConversation(t, whole)
	if !strings.Contains(whole, "#1 == 10.0.0.5:40000 -> 10.0.0.9:18321\n") || !strings.Contains(whole, "2026-11-22T07:36:41.0") {
		t.Errorf("shows no connection or no time:\n%s", whole)
	}
	same := func(name string, input []byte) {
		t.Helper()
		if got := dumpFine(t, input); got != whole {
			t.Errorf("%s shows something else:\n%s", name, got)
		}
	}
	same("pcap", c.pcap())
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(c.pcapng())
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	same("gzip", packed.Bytes())
}

// TestUnrulyCapture: segments that come twice, late, or in another order than
// they were sent change nothing but times.
func TestUnrulyCapture(t *testing.T) {
	log := overheard(t)
	c := newTapped(t, 18321)
	c.begin()
	for _, p := range log {
		c.say(p.way, p.data, 40)
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a fixed disorder, no secret
	for i := 2; i+1 < len(c.packets); i++ {
		switch random.IntN(4) {
		case 0:
			c.packets[i], c.packets[i+1] = c.packets[i+1], c.packets[i]
		case 1:
			c.packets = append(c.packets, c.packets[i]) // again, at the end
		}
	}
	out := dumpFine(t, c.pcapng())
	for _, line := range conversation {
		if !strings.Contains(out, line) {
			t.Errorf("lacks %q:\n%s", line, out)
		}
	}
	if strings.Contains(out, "fault") {
		t.Errorf("faults:\n%s", out)
	}
}

// TestBrokenCapture: what was not captured is said, and what follows is shown.
func TestBrokenCapture(t *testing.T) {
	stream := frames(t, "chat.json", "request", "start", "sentence", "resync", "confirm-in")
	t.Run("gap", func(t *testing.T) {
		c := newTapped(t, 18321)
		c.begin()
		c.say(toCore, stream, 100)
		c.finish()
		c.packets = append(c.packets[:4], c.packets[5:]...) // the third hundred bytes
		out := dumpFine(t, c.pcapng())
		if !strings.Contains(out, `fault="100 bytes of the stream are missing"`) || !strings.Contains(out, "ES_CHAT_RESYNC") {
			t.Error(out)
		}
	})
	t.Run("no beginning", func(t *testing.T) {
		c := newTapped(t, 18321)
		c.say(toCore, stream[150:], 100)
		out := dumpFine(t, c.pcapng())
		if !strings.Contains(out, "bytes in which no frame begins") || !strings.Contains(out, "-> ES_CHAT_START") {
			t.Error(out)
		}
	})
	t.Run("no end", func(t *testing.T) {
		c := newTapped(t, 18321)
		c.begin()
		c.say(toCore, stream[:200], 100)
		out := dumpFine(t, c.pcapng())
		if !strings.Contains(out, "ES_CHAT_REQUEST") || !strings.Contains(out, `fault="30 bytes of a frame: the stream ends in it"`) {
			t.Error(out)
		}
	})
	t.Run("cut file", func(t *testing.T) {
		c := newTapped(t, 18321)
		c.begin()
		c.say(toCore, stream, 100)
		file := c.pcapng()
		code, stdout, stderr := dump(t, file[:len(file)-20])
		if code != exitFailed || !strings.Contains(stdout, "ES_CHAT_REQUEST") || !strings.Contains(stderr, "packet ") {
			t.Errorf("exit code %d, %s\n%s", code, stderr, stdout)
		}
	})
}

// TestCorePort: without it every connection that shows packets is taken, with
// it only those that use it.
func TestCorePort(t *testing.T) {
	c := newTapped(t, 4000)
	c.begin()
	c.say(toCore, frames(t, "chat.json", "request"), 100)
	c.finish()
	file := c.pcapng()
	if out := dumpFine(t, file); !strings.Contains(out, "-> ES_CHAT_REQUEST") {
		t.Errorf("not found by itself:\n%s", out)
	}
	if out := dumpFine(t, file, "--core-port", "4000"); !strings.Contains(out, "-> ES_CHAT_REQUEST") {
		t.Errorf("not found by its port:\n%s", out)
	}
	if out := dumpFine(t, file, "--core-port", "4001"); out != "" {
		t.Errorf("another port shows:\n%s", out)
	}
	other := newTapped(t, 80)
	other.begin()
	other.say(toCore, []byte("GET / HTTP/1.1\r\nHost: example\r\n\r\n"), 100)
	other.say(toGateway, bytes.Repeat([]byte("nothing of ours"), 100), 1000)
	other.finish()
	code, out, stderr := dump(t, other.pcapng())
	if code != exitFine || out != "" || !strings.Contains(stderr, "1 other TCP connections") {
		t.Errorf("HTTP: exit code %d, %s\n%s", code, stderr, out)
	}
}

// FuzzInput: no file makes dump panic, or write what a terminal would obey.
func FuzzInput(f *testing.F) {
	c := newTapped(f, 18321)
	c.begin()
	c.say(toCore, frames(f, "chat.json", "request", "sentence"), 64)
	c.finish()
	f.Add(c.pcapng())
	f.Add(c.pcap())
	f.Add(frames(f, "session.json", "login"))
	f.Add([]byte{0x1f, 0x8b, 8, 0})
	f.Fuzz(func(t *testing.T, file []byte) {
		code, stdout, stderr := dump(t, file, "--full")
		if code != exitFine && code != exitFailed {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		if i := strings.IndexFunc(stdout, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
			t.Fatalf("writes %q", stdout[i:])
		}
	})
}
