package main

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"servicelink/simprot"
)

// segment is the most a recorded TCP segment carries.
const segment = 32 << 10

// recorder writes what passed as a capture (pcapng) that dump and other tools
// read: the real addresses and bytes in TCP segments made up for them. The
// secret of a login and the settings of message gateways are not in it.
type recorder struct {
	file *os.File
	out  *pcapgo.NgWriter
	err  error // the first; nothing more is written after it
	told bool
}

// newRecorder creates the file, which must not exist and is the owner's alone.
// Without a name there is no recorder.
func newRecorder(name string) (*recorder, error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the name is the operator's
	if err != nil {
		return nil, err
	}
	out, err := pcapgo.NewNgWriter(file, layers.LinkTypeRaw)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &recorder{file: file, out: out}, nil
}

func (r *recorder) flush() {
	if r != nil && r.err == nil {
		r.err = r.out.Flush()
	}
}

// failed reports a failure that was not told of yet.
func (r *recorder) failed() bool { return r != nil && r.err != nil && !r.told }

func (r *recorder) close() error {
	if r == nil {
		return nil
	}
	r.flush()
	return errors.Join(r.err, r.file.Close())
}

// recording is one connection in the file.
type recording struct {
	to   *recorder
	ends map[direction]netip.AddrPort // who sends in a direction
	next map[direction]uint32         // sequence numbers
}

// connection begins a connection with its handshake.
func (r *recorder) connection(l *link, at time.Time) *recording {
	rec := &recording{
		to:   r,
		ends: map[direction]netip.AddrPort{toCore: endpoint(l.gateway), toGateway: endpoint(l.core)},
		next: map[direction]uint32{},
	}
	rec.segment(at, toCore, layers.TCP{SYN: true}, nil)
	rec.segment(at, toGateway, layers.TCP{SYN: true, ACK: true}, nil)
	rec.next[toCore], rec.next[toGateway] = 1, 1
	return rec
}

// endpoint is the other side's address; without one, one that stands for none.
func endpoint(c net.Conn) netip.AddrPort {
	if c != nil {
		if tcp, ok := c.RemoteAddr().(*net.TCPAddr); ok {
			at := tcp.AddrPort()
			return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
		}
	}
	return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
}

// piece records a piece. What must not be written, and what is not at hand,
// becomes a gap.
func (rec *recording) piece(way direction, p piece) {
	raw := p.raw
	switch {
	case p.packet.Code == simprot.CodeLogin, p.packet.Code == simprot.CodeGateways:
		raw = withoutSecret(p.packet)
	case p.err != nil && (bytes.Contains(raw, []byte(simprot.CodeLogin)) || bytes.Contains(raw, []byte(simprot.CodeGateways))):
		raw = nil // what cannot be read has its secret somewhere
	}
	for rest := raw; len(rest) > 0; {
		n := min(len(rest), segment)
		rec.segment(p.at, way, layers.TCP{ACK: true, PSH: true}, rest[:n])
		rec.next[way] += uint32(n)
		rest = rest[n:]
	}
	if raw == nil {
		rec.next[way] += uint32(p.size) //nolint:gosec // sequence numbers wrap
	}
}

// withoutSecret is the frame of a login, or of a register, with a mask for its
// secret and for the settings of its Devices.
func withoutSecret(p simprot.Packet) []byte {
	switch v := p.Payload.(type) {
	case *simprot.Login:
		shown := *v
		shown.Secret = "<secret>"
		p.Payload = &shown
	case simprot.GatewayList:
		list := simprot.GatewayList{}
		for _, g := range v {
			shown := *g
			shown.Device = "<secret>"
			list = append(list, &shown)
		}
		p.Payload = list
	default:
		return nil
	}
	frame, err := simprot.AppendFrame(nil, p, simprot.EncodingMsgpack)
	if err != nil {
		return nil
	}
	return frame
}

// end closes both directions in the file.
func (rec *recording) end(at time.Time) {
	for _, way := range []direction{toCore, toGateway} {
		rec.segment(at, way, layers.TCP{FIN: true, ACK: true}, nil)
	}
}

// segment writes one TCP segment.
func (rec *recording) segment(at time.Time, way direction, tcp layers.TCP, data []byte) {
	if rec.to.err != nil {
		return
	}
	back := toCore
	if way == toCore {
		back = toGateway
	}
	from, to := rec.ends[way], rec.ends[back]
	tcp.SrcPort, tcp.DstPort = layers.TCPPort(from.Port()), layers.TCPPort(to.Port())
	tcp.Seq, tcp.Window = rec.next[way], 0xffff
	if tcp.ACK {
		tcp.Ack = rec.next[back]
		if tcp.SYN {
			tcp.Ack = 1
		}
	}
	packet := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	ip, network := header(from.Addr(), to.Addr())
	err := tcp.SetNetworkLayerForChecksum(network)
	if err == nil {
		err = gopacket.SerializeLayers(packet, options, ip, &tcp, gopacket.Payload(data))
	}
	if err == nil {
		n := len(packet.Bytes())
		err = rec.to.out.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: n, Length: n}, packet.Bytes())
	}
	rec.to.err = err
}

// header is the IP header for two addresses, of version 6 when one of them is.
func header(from, to netip.Addr) (gopacket.SerializableLayer, gopacket.NetworkLayer) {
	if from.Is4() && to.Is4() {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: from.AsSlice(), DstIP: to.AsSlice()}
		return ip, ip
	}
	a, b := from.As16(), to.As16()
	ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: a[:], DstIP: b[:]}
	return ip, ip
}
