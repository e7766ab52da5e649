package refcore

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"servicelink/simprot"
)

// The rules about bytes and session control are kept by simprot.Server, which
// cannot be told to break them. A Core that shall not keep them stands behind
// a connection that changes the frames on their way.

// longPing is how long a Core waits before a ping that is not to be seen.
const longPing = 24 * time.Hour

// heldFrame is the longest body that is looked at, in bytes; longer ones pass.
const heldFrame = 8 << 20

// tampers reports whether any broken rule needs the frames changed.
func (c *Core) tampers() bool {
	for _, r := range []Rule{
		RuleBigFrame, RuleDecodes, RuleEncodings, RuleHostile, RuleVersion, RuleLoginFirst, RulePong, RulePing,
		RuleReplace, RuleMaxFrame, RuleUnknownMember,
	} {
		if c.broken[r] {
			return true
		}
	}
	return false
}

// tampered is l, or what stands between it and the server. It looks at
// frames, so TLS is done before it.
func (c *Core) tampered(l net.Listener) net.Listener {
	if !c.tampers() {
		return l
	}
	if c.opts.TLS != nil {
		l = tls.NewListener(l, c.opts.TLS)
	}
	return &tamperListener{Listener: l, core: c}
}

// serverTLS is what is left to the server.
func (c *Core) serverTLS() *tls.Config {
	if c.tampers() {
		return nil
	}
	return c.opts.TLS
}

// announcedKeepAlive is KeepAlive in SP_WELCOME.
func (c *Core) announcedKeepAlive() int32 {
	return int32(c.opts.KeepAlive / time.Second) //nolint:gosec // seconds of a configured duration
}

// pingEvery is what the server goes by, in seconds.
func (c *Core) pingEvery() int32 {
	if c.broken[RulePing] {
		return int32(longPing / time.Second)
	}
	return c.announcedKeepAlive()
}

type tamperListener struct {
	net.Listener
	core *Core
	last atomic.Uint64
}

func (l *tamperListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &tamperConn{Conn: nc, core: l.core, number: l.last.Add(1)}, nil
}

// tamperConn changes the frames of one connection. Reading and writing are
// each done by one goroutine at a time, as the server does.
type tamperConn struct {
	net.Conn
	core   *Core
	number uint64

	loggedIn bool   // the first packet has come
	in       []byte // bytes for the server
	pass     int64  // bytes that follow and are not looked at
	out      []byte // written by the server, not a whole frame yet
	welcomed bool
}

// NetConn gives the server the socket, to tune and to reset it.
func (t *tamperConn) NetConn() net.Conn { return t.Conn }

func (t *tamperConn) Read(b []byte) (int, error) {
	for len(t.in) == 0 {
		if t.pass > 0 {
			n, err := t.Conn.Read(b[:min(int64(len(b)), t.pass)])
			t.pass -= int64(n)
			return n, err
		}
		if err := t.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, t.in)
	t.in = t.in[n:]
	return n, nil
}

// next reads a frame and puts into in what the server shall see of it.
func (t *tamperConn) next() error {
	head := make([]byte, 4)
	if _, err := io.ReadFull(t.Conn, head); err != nil {
		return err
	}
	size := int64(binary.BigEndian.Uint32(head))
	hostile := t.core.broken[RuleHostile]
	switch {
	case hostile && size > simprot.MaxReadFrame:
		_, err := io.CopyN(io.Discard, t.Conn, size)
		return err
	case size == 0 && hostile:
		return nil
	case size == 0, size > heldFrame:
		t.in, t.pass = head, size
		return nil
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(t.Conn, body); err != nil {
		return err
	}
	frame, err := t.change(head, body)
	t.in = frame
	return err
}

// change returns the frame the server reads in place of this one; none when it
// is thrown away.
func (t *tamperConn) change(head, body []byte) ([]byte, error) {
	c := t.core
	same := append(head, body...)
	if simprot.Scan(body) != nil {
		if c.broken[RuleHostile] {
			return nil, nil
		}
		return same, nil
	}
	p, _ := simprot.DecodePacket(body) // the server says what it thinks of one it cannot read
	if first := !t.loggedIn; first && c.broken[RuleLoginFirst] && p.Code != simprot.CodeLogin {
		t.loggedIn = true
		return t.uninvited(same)
	}
	t.loggedIn = true
	switch v := p.Payload.(type) {
	case *simprot.Login:
		t.changeLogin(v)
		return simprot.AppendFrame(nil, p, simprot.EncodingMsgpack)
	case *simprot.Ping:
		if c.broken[RulePong] && p.Code == simprot.CodePing {
			return nil, nil
		}
		return same, nil
	case simprot.Text:
		return same, nil // is written alike in both encodings
	}
	tooBig := c.broken[RuleBigFrame] && len(body) > c.opts.MaxFrame/2 && len(body) <= c.opts.MaxFrame
	foreign := c.broken[RuleEncodings] && payloadIsText(body) != (c.opts.Encoding == simprot.EncodingJSON)
	long := c.broken[RuleUnknownMember] && body[0] > 0x93
	if tooBig || foreign || long {
		return nil, nil
	}
	return same, nil
}

// uninvited logs in for a gateway that did not.
func (t *tamperConn) uninvited(frame []byte) ([]byte, error) {
	o := &t.core.opts
	login, err := simprot.AppendFrame(nil, simprot.Packet{Code: simprot.CodeLogin, Payload: &simprot.Login{
		Account: o.Account, Secret: o.Secret, Peer: o.Peer, Version: simprot.Version,
		Instance: fmt.Sprintf("uninvited#%d", t.number),
	}}, simprot.EncodingMsgpack)
	return append(login, frame...), err
}

func (t *tamperConn) changeLogin(v *simprot.Login) {
	broken := t.core.broken
	if broken[RuleVersion] {
		v.Version = simprot.Version
	}
	if broken[RuleReplace] {
		v.Instance = fmt.Sprintf("%s#%d", v.Instance, t.number)
	}
	if broken[RuleMaxFrame] {
		v.MaxFrame = simprot.MaxReadFrame
	}
}

// payloadIsText reports whether the second element of a frame's array, which
// Scan has found in order, is a string. Codes are shorter than 32 bytes and
// arrays than 16 elements in what is meant here.
func payloadIsText(body []byte) bool {
	if len(body) < 2 || body[1] < 0xa0 || body[1] > 0xbf {
		return false
	}
	at := 2 + int(body[1]-0xa0)
	if at >= len(body) {
		return false
	}
	b := body[at]
	return (b >= 0xa0 && b <= 0xbf) || (b >= 0xd9 && b <= 0xdb)
}

// misfit is SE_CHAT_TYPING {IsTyping: 1}: no bool.
var misfit = append([]byte{0, 0, 0, 27, 0x92}, "\xaeSE_CHAT_TYPING\x81\xa8IsTyping\x01"...)

// Write passes frames on. SP_WELCOME, the first of them, tells the KeepAlive
// that was configured.
func (t *tamperConn) Write(b []byte) (int, error) {
	if t.welcomed || !(t.core.broken[RulePing] || t.core.broken[RuleDecodes]) {
		return t.Conn.Write(b)
	}
	t.out = append(t.out, b...)
	if len(t.out) < 4 || len(t.out) < 4+int(binary.BigEndian.Uint32(t.out)) {
		return len(b), nil
	}
	size := 4 + int(binary.BigEndian.Uint32(t.out))
	first, rest := t.out[:size], t.out[size:]
	t.out, t.welcomed = nil, true
	if p, err := simprot.DecodePacket(first[4:]); err == nil {
		if w, ok := p.Payload.(*simprot.Welcome); ok {
			w.KeepAlive = t.core.announcedKeepAlive()
			if first, err = simprot.AppendFrame(nil, p, t.core.opts.Encoding); err != nil {
				return 0, err
			}
		}
	}
	var extra []byte
	if t.core.broken[RuleDecodes] {
		extra = misfit
	}
	if _, err := t.Conn.Write(slices.Concat(first, extra, rest)); err != nil {
		return 0, err
	}
	return len(b), nil
}
