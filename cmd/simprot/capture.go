package main

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/gopacket/gopacket/reassembly"
)

// The first four bytes of captures. Read as a length, all but the first are
// above what a frame may have, and the first is of no frame anybody writes.
const (
	magicNg       = 0x0a0d0d0a
	magicMicro    = 0xa1b2c3d4
	magicNano     = 0xa1b23c4d
	magicGzip     = 0x1f8b
	magicGzipBits = 16
)

// Bounds of what is held for a capture: segments that wait for an earlier one,
// in pages of about 2 kB, and for how long of the capture's time.
const (
	maxPages        = 32 << 10
	maxPagesPerConn = 8 << 10
	maxWait         = 30 * time.Second
	maxIdle         = 24 * time.Hour
)

// dumpInput shows what r holds: a capture, or the bytes of one direction;
// compressed by gzip or not.
func (d *dumper) dumpInput(r io.Reader) error {
	in := bufio.NewReaderSize(r, trustedLength)
	if head, err := in.Peek(lengthSize); err == nil && binary.BigEndian.Uint32(head)>>magicGzipBits == magicGzip {
		plain, err := gzip.NewReader(in)
		if err != nil {
			return err
		}
		in = bufio.NewReaderSize(plain, trustedLength)
	}
	head, err := in.Peek(lengthSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if len(head) < lengthSize {
		return d.dumpBytes(in)
	}
	switch magic, other := binary.BigEndian.Uint32(head), binary.LittleEndian.Uint32(head); {
	case magic == magicNg:
		packets, err := pcapgo.NewNgReader(in, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
		if err != nil {
			return err
		}
		return d.dumpCapture(packets, 0)
	case magic == magicMicro, magic == magicNano, other == magicMicro, other == magicNano:
		packets, err := pcapgo.NewReader(in)
		if err != nil {
			return err
		}
		return d.dumpCapture(packets, packets.LinkType())
	}
	return d.dumpBytes(in)
}

// dumpBytes shows a byte stream of one direction, which has no times.
func (d *dumper) dumpBytes(r io.Reader) error {
	s := newStream(1, unknownDirection, d.maxFrame, d.tell)
	buf := make([]byte, trustedLength)
	for d.out.err == nil {
		n, err := r.Read(buf)
		s.feed(time.Time{}, buf[:n])
		if err != nil {
			s.end(time.Time{})
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
	return nil // the printer has the error
}

// dumpCapture shows the SimProt streams of a capture. What is no TCP is passed
// over.
func (d *dumper) dumpCapture(packets gopacket.PacketDataSource, link layers.LinkType) error {
	c := &capture{dumper: d}
	asm := reassembly.NewAssembler(reassembly.NewStreamPool(c))
	asm.MaxBufferedPagesTotal, asm.MaxBufferedPagesPerConnection = maxPages, maxPagesPerConn
	var last time.Time
	var failure error
	for n := 1; d.out.err == nil; n++ {
		data, info, err := packets.ReadPacketData()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				failure = fmt.Errorf("packet %d of the capture: %w", n, err)
			}
			break
		}
		kind := link
		if len(info.AncillaryData) > 0 {
			if own, ok := info.AncillaryData[0].(layers.LinkType); ok {
				kind = own
			}
		}
		packet := gopacket.NewPacket(data, kind, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
		tcp, ok := packet.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if !ok || packet.NetworkLayer() == nil {
			continue
		}
		seen := seenAt(info)
		asm.AssembleWithContext(packet.NetworkLayer().NetworkFlow(), tcp, &seen)
		if info.Timestamp.Sub(last) > maxWait {
			last = info.Timestamp
			asm.FlushWithOptions(reassembly.FlushOptions{T: last.Add(-maxWait), TC: last.Add(-maxIdle)})
		}
	}
	asm.FlushAll()
	c.finish()
	return failure
}

// seenAt tells the assembler when a packet was captured.
type seenAt gopacket.CaptureInfo

// GetCaptureInfo is asked for by the assembler.
func (s *seenAt) GetCaptureInfo() gopacket.CaptureInfo { return gopacket.CaptureInfo(*s) }

// capture makes a flow of every TCP connection it meets.
type capture struct {
	dumper *dumper
	conns  int // of those that are shown
	others int // connections that showed no packet
}

// New is called by the assembler at the first packet of a connection.
func (c *capture) New(network, transport gopacket.Flow, tcp *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	core := layers.TCPPort(c.dumper.corePort)
	f := &flow{capture: c, sure: tcp.SrcPort == core || tcp.DstPort == core}
	way, back := unknownDirection, unknownDirection
	switch {
	case tcp.DstPort == core, tcp.SrcPort != core && tcp.SYN && !tcp.ACK:
		way, back = toCore, toGateway
	case tcp.SrcPort == core, tcp.SYN:
		way, back = toGateway, toCore
	}
	from := network.Src().String() + ":" + transport.Src().String()
	to := network.Dst().String() + ":" + transport.Dst().String()
	if way == toGateway {
		from, to = to, from
	}
	f.ends = from + " -> " + to
	for i, w := range []direction{way, back} {
		f.streams[i] = newStream(0, w, c.dumper.maxFrame, f.tell)
		if !f.sure {
			f.streams[i].doubtful()
		}
	}
	f.ignored = !f.sure && c.dumper.onlyPort
	return f
}

// finish says what was left out.
func (c *capture) finish() {
	if c.others > 0 {
		c.dumper.say("%d other TCP connections showed no SimProt packet; --core-port names the core's port if it is not %d",
			c.others, c.dumper.corePort)
	}
}

// flow is one TCP connection of a capture.
type flow struct {
	capture *capture
	sure    bool // one of its ports is the core's
	ignored bool
	conn    int // 0: nothing was told of it yet
	ends    string
	streams [2]*stream // by reassembly's direction
	last    time.Time
}

// tell numbers a connection when it shows the first of its packets.
func (f *flow) tell(s *stream, p piece) {
	if f.conn == 0 {
		f.capture.conns++
		f.conn = f.capture.conns
		f.capture.dumper.out.note(p.at, f.conn, f.ends)
	}
	s.conn = f.conn
	f.capture.dumper.tell(s, p)
}

// Accept takes connections whose beginning was not captured, too. Their first
// bytes need not be a frame's.
func (f *flow) Accept(tcp *layers.TCP, _ gopacket.CaptureInfo, way reassembly.TCPFlowDirection, next reassembly.Sequence, start *bool, _ reassembly.AssemblerContext) bool {
	if next < 0 && !tcp.SYN {
		f.stream(way).split.lost = true
	}
	*start = true
	return !f.ignored
}

func (f *flow) stream(way reassembly.TCPFlowDirection) *stream {
	if way == reassembly.TCPDirServerToClient {
		return f.streams[1]
	}
	return f.streams[0]
}

// ReassembledSG takes the next bytes of one direction.
func (f *flow) ReassembledSG(sg reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	way, _, _, missing := sg.Info()
	s := f.stream(way)
	n, _ := sg.Lengths()
	f.last = sg.CaptureInfo(max(n-1, 0)).Timestamp
	if missing > 0 {
		s.gap(f.last, int64(missing))
	}
	s.feed(f.last, sg.Fetch(n))
}

// ReassemblyComplete is called at the connection's end.
func (f *flow) ReassemblyComplete(reassembly.AssemblerContext) bool {
	for _, s := range f.streams {
		s.end(f.last)
	}
	switch {
	case f.conn > 0:
		f.capture.dumper.out.note(f.last, f.conn, "end")
	case f.streams[0].split.offset+f.streams[1].split.offset > 0:
		f.capture.others++
	}
	return true
}
