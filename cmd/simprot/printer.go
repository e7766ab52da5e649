package main

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"

	"servicelink/simprot"
)

// printer writes what was seen, one line each, and counts it. It belongs to
// one goroutine.
type printer struct {
	out    io.Writer
	json   bool
	full   bool
	unmask bool
	filter filter

	packets, printed, faults int
	err                      error // the first of out; nothing more is written after it
}

// piece tells of one piece of a stream.
func (pr *printer) piece(conn int, way direction, p piece) {
	v := view{}
	unknown, isUnknown := errors.AsType[*simprot.UnknownCodeError](p.err)
	decode, isDecode := errors.AsType[*simprot.DecodeError](p.err)
	switch {
	case p.err == nil:
		v = viewOf(p.packet)
		if pr.packets++; !pr.filter.wants(p.packet, &v) {
			return
		}
		pr.members(p.packet, &v)
	case isUnknown:
		v.Code, v.Fault = unknown.Code, "unknown code"
	case isDecode:
		v.Code, v.Fault = decode.Code, faultText(p.err)
	default:
		v.Fault = faultText(p.err)
	}
	if p.err != nil {
		// Whatever cannot be read may be what is looked for: no filter but
		// that of codes hides it, where the code is known.
		if pr.faults++; v.Code != "" && !pr.filter.wantsCode(v.Code) {
			return
		}
	}
	v.Conn, v.Direction, v.Offset, v.Bytes = conn, way, p.offset, p.size
	if way == unknownDirection {
		v.Direction = directionOf(v.Code)
	}
	if !p.at.IsZero() {
		at := p.at.UTC()
		v.Time = &at
	}
	pr.printed++
	if pr.json {
		pr.object(v)
		return
	}
	pr.write(v.line())
}

// members adds what only --full and --unmask show.
func (pr *printer) members(p simprot.Packet, v *view) {
	if pr.unmask {
		v.ID = v.ownID
		trackingIDs(p, func(id string) { v.TrackingID = id })
		if v.Items != nil {
			v.TrackingID = ""
		}
	}
	if pr.full && p.Payload != nil {
		v.Payload = walker{unmask: pr.unmask}.value("", reflect.ValueOf(p.Payload))
	}
}

// faultText is what went wrong, without the package's name.
func faultText(err error) string { return strings.TrimPrefix(err.Error(), "simprot: ") }

// note is a line that tells of a connection and of no packet.
type note struct {
	Time *time.Time `json:"time,omitempty"`
	Conn int        `json:"conn"`
	Note string     `json:"note"`
}

// note tells what became of a connection.
func (pr *printer) note(at time.Time, conn int, text string) {
	n := note{Conn: conn, Note: text}
	if !at.IsZero() {
		at = at.UTC()
		n.Time = &at
	}
	if pr.json {
		pr.object(n)
		return
	}
	pr.write(fmt.Sprintf("%s #%d == %s\n", clock(n.Time), conn, text))
}

func (pr *printer) object(v any) {
	line, err := jsonLine(v)
	if err != nil {
		pr.err = errors.Join(pr.err, err)
		return
	}
	pr.write(string(line))
}

func (pr *printer) write(text string) {
	if pr.err == nil {
		_, pr.err = io.WriteString(pr.out, text)
	}
}

// summary is what was seen in all.
func (pr *printer) summary() string {
	return fmt.Sprintf("%d packets, %d lines shown, %d faults", pr.packets, pr.printed, pr.faults)
}

func clock(at *time.Time) string {
	if at == nil {
		return "-"
	}
	return at.Format("2006-01-02T15:04:05.000000Z")
}

// line is the view for people: what is not set is left out.
func (v *view) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s #%d %s", clock(v.Time), v.Conn, v.Direction.arrow())
	if v.Code != "" {
		b.WriteString(" " + shown(string(v.Code)))
	}
	pair := func(name, value string) {
		if value != "" {
			b.WriteString(" " + name + "=" + shown(value))
		}
	}
	pair("port", v.Port)
	pair("conversation", v.Conversation)
	pair("tracking_id", v.TrackingID)
	pair("chat", v.ChatID)
	pair("id", v.ID)
	pair("counter", number(v.Counter))
	if v.IsOutbound != nil {
		pair("outbound", strconv.FormatBool(*v.IsOutbound))
	}
	pair("message", v.Message)
	pair("gateway", v.Gateway)
	pair("request", v.Request)
	pair("outcome", v.Outcome)
	pair("status", v.Status)
	pair("signal", v.Signal)
	pair("ask", v.Ask)
	if v.More {
		pair("more", "true")
	}
	pair("traceparent", v.TraceParent)
	pair("text_chars", number(int64(v.TextChars)))
	pair("sentences", optional(v.Sentences))
	pair("items", optional(v.Items))
	fmt.Fprintf(&b, " bytes=%d at=%d", v.Bytes, v.Offset)
	if v.Fault != "" {
		b.WriteString(" fault=" + strconv.Quote(v.Fault))
	}
	b.WriteByte('\n')
	writeMembers(&b, v.Payload)
	return b.String()
}

// writeMembers writes the lines of a payload below the packet's own.
func writeMembers(b *strings.Builder, payload any) {
	switch v := payload.(type) {
	case nil:
	case members:
		for _, one := range v {
			writeMember(b, 1, one.name, one.value)
		}
	case items:
		for i, one := range v {
			writeMember(b, 1, strconv.Itoa(i), one)
		}
	default:
		writeMember(b, 1, "payload", v)
	}
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func optional(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}
