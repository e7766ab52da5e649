package corecheck

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"
	"github.com/vmihailenco/msgpack/v5"

	"servicelink/simprot"
)

// mostBytes is the largest MaxFrame that is tried out.
const mostBytes = 16 << 20

// framed puts the length in front of a body.
func framed(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...) //nolint:gosec // bodies of this file are below 4 GiB
}

// body is a frame's body that this protocol's encoder would not make.
func body(elements ...any) []byte {
	b, err := msgpack.Marshal(elements)
	if err != nil {
		panic(err) // the values are this file's own
	}
	return b
}

// statusMap is STATUS of a conversation, open to additions.
func (r *run) statusMap(c *conv) map[string]any {
	return map[string]any{"Peer": r.cfg.Peer, "Port": r.cfg.Port, "TrackingId": c.tracking}
}

// survives sends bytes and reports whether the connection lives after them.
func (r *run) survives(ctx context.Context, rule string, frame []byte) error {
	l, c, err := r.freshChat(ctx, nil)
	if err != nil {
		return err
	}
	defer l.close()
	if err := l.write(frame); err != nil {
		return err
	}
	if l.lives(ctx, c) {
		r.book.judge(rule, true, "the connection lives")
		return nil
	}
	r.book.judge(rule, false, "%s", l.state())
	return nil
}

// unknown sends what a later version may send.
func (r *run) unknown(ctx context.Context) error {
	if err := r.survives(ctx, "unknown-code", framed(body("XX_CORE_CHECK", map[string]any{"A": 1}))); err != nil {
		return err
	}
	l, c, err := r.freshChat(ctx, nil)
	if err != nil {
		return err
	}
	defer l.close()
	question := r.statusMap(c)
	question["CoreCheck"] = map[string]any{"Deep": []any{1, "two", nil}}
	return r.answered(ctx, l, c, "unknown-member", func(token string) []byte {
		return body(string(simprot.CodeChatStatusAsk), question, map[string]any{"Ask": token, "CoreCheck": true}, "fourth")
	})
}

// answered sends a question made by hand and looks for its answer.
func (r *run) answered(ctx context.Context, l *link, c *conv, rule string, with func(token string) []byte) error {
	token := r.newID()
	b := with(token)
	if err := l.write(framed(b)); err != nil {
		return err
	}
	got := l.answerTo(ctx, question{code: simprot.CodeChatStatusAsk, answer: simprot.CodeChatStatus, tracking: c.tracking}, token)
	if got == nil {
		r.book.judge(rule, false, "%s", l.state())
		return nil
	}
	r.book.judge(rule, true, "%s, to a frame of %d bytes", describe(got), len(b))
	return nil
}

// undecodable sends a member of the wrong type.
func (r *run) undecodable(ctx context.Context) error {
	c := r.newConv()
	question := r.statusMap(c)
	question["AfterCounter"] = "many"
	return r.survives(ctx, "undecodable", framed(body(string(simprot.CodeChatStatusAsk), question)))
}

// encodings asks in both.
func (r *run) encodings(ctx context.Context) error {
	l, c, err := r.freshChat(ctx, nil)
	if err != nil {
		return err
	}
	defer l.close()
	for _, enc := range []simprot.Encoding{simprot.EncodingMsgpack, simprot.EncodingJSON} {
		err := r.answered(ctx, l, c, "encodings", func(token string) []byte {
			frame, err := simprot.AppendFrame(nil, simprot.Packet{
				Code: simprot.CodeChatStatusAsk, Extras: simprot.Extras{Ask: token},
				Payload: &simprot.ChatStatusInfo{Peer: r.cfg.Peer, Port: r.cfg.Port, TrackingId: c.tracking, ChatId: uuid.Nil},
			}, enc)
			if err != nil {
				panic(err) // what is encoded is this file's own
			}
			return frame[4:]
		})
		if err != nil || r.book.is("encodings", Broken) {
			return err
		}
	}
	return nil
}

// coreMaxFrame is what the core reads, in bytes.
func (r *run) coreMaxFrame() (int, error) {
	n := r.welcome.MaxFrame
	if n <= 0 {
		n = simprot.DefaultMaxFrame
	}
	if n > mostBytes {
		return 0, fmt.Errorf("MaxFrame is %d bytes: too long to try", n)
	}
	return int(n), nil
}

// bigFrame asks in a frame that just fits.
func (r *run) bigFrame(ctx context.Context) error {
	size, err := r.coreMaxFrame()
	if err != nil {
		return err
	}
	if !r.book.is("unknown-member", Kept) {
		return fmt.Errorf("the frame is filled up with an unknown extra, which is not skipped")
	}
	l, c, err := r.freshChat(ctx, nil)
	if err != nil {
		return err
	}
	defer l.close()
	return r.answered(ctx, l, c, "big-frame", func(token string) []byte {
		filled := func(n int) []byte {
			return body(string(simprot.CodeChatStatusAsk), r.statusMap(c), map[string]any{"Ask": token, "Fill": make([]byte, n)})
		}
		n := size - (len(filled(size/2)) - size/2)
		return filled(n + size - len(filled(n))) // a shorter filling has a shorter length
	})
}

// tooLong sends a frame that does not fit.
func (r *run) tooLong(ctx context.Context) error {
	size, err := r.coreMaxFrame()
	if err != nil {
		return err
	}
	return r.survives(ctx, "too-long", framed(make([]byte, size+1)))
}

// hostileFrames are bytes after which nothing can be trusted.
var hostileFrames = []struct {
	name  string
	bytes []byte
}{
	{"an empty body", framed(nil)},
	{"a length above 256 MiB", []byte{0x10, 0, 0, 1}},
	{"no array", framed([]byte{0x81, 0xa1, 'a', 1})},
	{"bytes behind the array", framed([]byte{0x92, 0xa1, 'a', 0xc0, 0xc0})},
	{"nesting of 40", framed(append(repeated(0x91, 40), 0xc0))},
	{"a count beyond the bytes", framed([]byte{0x92, 0xa1, 'a', 0xdd, 0x7f, 0xff, 0xff, 0xff})},
	{"a length beyond the bytes", framed([]byte{0x92, 0xa1, 'a', 0xdb, 0x7f, 0xff, 0xff, 0xff})},
	{"the undefined code 0xc1", framed([]byte{0x92, 0xa1, 'a', 0xc1})},
}

func repeated(b byte, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = b
	}
	return out
}

// hostile sends each on a connection of its own.
func (r *run) hostile(ctx context.Context) error {
	for _, h := range hostileFrames {
		l, err := r.connect(ctx, nil)
		if err != nil {
			return err
		}
		if err := l.write(h.bytes); err != nil {
			return err
		}
		if !l.ends(ctx) {
			r.book.judge("hostile", false, "%s: %s", h.name, l.state())
			l.close()
			return nil
		}
	}
	r.book.judge("hostile", true, "%d connections closed", len(hostileFrames))
	return nil
}

// more asks for what a core may have beside chats. Only whether it is there is
// looked at.
func (r *run) more(ctx context.Context) error {
	l, c, err := r.freshChat(ctx, nil)
	if err != nil {
		return err
	}
	defer l.close()
	for _, q := range []struct {
		rule         string
		code, answer simprot.Code
		payload      any
	}{
		{"forms", simprot.CodeScenarioLoad, simprot.CodeScenarioModel, map[string]any{"Id": uuid.NewString(), "Reference": "en"}},
		{"registers", simprot.CodeRoutingAsk, simprot.CodeRouting, r.cfg.Peer},
	} {
		if err := l.write(framed(body(string(q.code), q.payload))); err != nil {
			return err
		}
		if !l.lives(ctx, c) { // what it answers now comes after the answer
			return fmt.Errorf("%s ended the connection", q.code)
		}
		if got, _ := r.inbox.find(func(p *received) bool { return p.link == l && p.code == q.answer }); got != nil {
			r.book.judge(q.rule, true, "%s; nothing more of it is checked", q.answer)
		} else {
			r.book.absent(q.rule, "no "+string(q.answer))
		}
	}
	return nil
}
