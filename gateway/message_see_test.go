package gateway

import (
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// traced gives the one message that a query finds.
func (h *mailHouse) traced(q traceQuery) TracedMessage {
	h.Helper()
	h.waits(10 * time.Millisecond)
	found, err := h.gw.trace(h.Context(), q)
	if err != nil || len(found.Messages) != 1 {
		h.Fatalf("%q finds %d messages: %v", q.text, len(found.Messages), err)
	}
	return found.Messages[0]
}

// TestMessageTrace: an operator finds a message by any of its names, and sees where it
// is and what it waits for.
func TestMessageTrace(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.script(silent)
		h.mails("jana", 1, 2)
		h.waits(time.Second)
		ev := mailEvent("jana", 1)
		for _, name := range []string{ev.ID, "jana-1@mail.example"} {
			m := h.traced(traceQuery{text: name})
			if m.Now == nil || m.Now.Kind != "written" || !strings.Contains(m.Now.Waits, "SE_MESSAGE_RECEIVED") || m.Text != "" {
				t.Errorf("by %q it is %+v", name, m.Now)
			}
		}
		if m := h.traced(traceQuery{text: "jana-2@mail.example"}); m.Now == nil || m.Now.Kind != "behind" {
			t.Errorf("the one behind it is %+v", m.Now)
		}
		if faults := h.gw.Unwell(); tellsFault(faults, "messages_unanswered") {
			t.Errorf("after a second it is a fault: %v", faults)
		}
		h.waits(2 * time.Minute)
		if faults := h.gw.Unwell(); !tellsFault(faults, "messages_unanswered") {
			t.Errorf("after a minute no fault tells of it: %v", faults)
		}
		h.answers(1, "false")
		h.waits(time.Second)
		if m := h.traced(traceQuery{text: ev.ID, content: true}); m.Now == nil || m.Now.Kind != "refused" || m.Now.Until.IsZero() ||
			m.Text != "subject jana-1\n\ntext jana-1" {
			t.Errorf("after false it is %+v, %q", m.Now, m.Text)
		}
		h.answers(1, "true")
		h.waits(time.Second)
		core := coreMessageID("jana-1@mail.example").String()
		for _, name := range []string{ev.ID, "jana-1@mail.example", core} {
			m := h.traced(traceQuery{text: name})
			if m.Now != nil || m.State != "done" || !tells(m, core) || m.Channel != inboxID.String() {
				t.Errorf("by %q it is %+v", name, m)
			}
		}
	})
}

func tellsFault(faults []Fault, what string) bool {
	for _, f := range faults {
		if f.What == what {
			return true
		}
	}
	return false
}

func tells(m TracedMessage, what string) bool {
	for _, s := range m.Steps {
		if strings.Contains(s.What, what) {
			return true
		}
	}
	return false
}

// TestMessageTraceOut: the same of one that goes out, by the core's name and its own.
func TestMessageTraceOut(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.post.hold()
		h.sends(1)
		h.waits(time.Second)
		if m := h.traced(traceQuery{text: messageID(1).String()}); m.Now == nil || m.Now.Kind != "attempt" {
			t.Errorf("it is %+v", m.Now)
		}
		h.post.free()
		h.waits(time.Second)
		for _, name := range []string{messageID(1).String(), "out-1@shop.example"} {
			if m := h.traced(traceQuery{text: name, by: byID}); m.State != "done" || m.Direction != "out" {
				t.Errorf("by %q it is %+v", name, m)
			}
		}
	})
}

// TestMessageLedger: a message is counted as any other, and its lines show no text and
// no address.
func TestMessageLedger(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.post.set(func(p *fakePost) { p.fail = func(int, string) error { return refusing550("no") } })
		h.mails("jana", 1)
		h.sends(1)
		h.waits(time.Second)
		ledger, err := h.cut.Ledger(h.Context())
		if err != nil {
			t.Fatal(err)
		}
		in := ledger[journal.LedgerKey{Channel: inboxID.String(), Direction: journal.In}]
		out := ledger[journal.LedgerKey{Channel: outboxID.String(), Direction: journal.Out}]
		if in.Done != 1 || out.Dead != 1 {
			t.Errorf("the ledger says %+v and %+v", in, out)
		}
		log := h.logs.String()
		if log == "" {
			t.Error("nothing was logged of the refusal")
		}
		for _, secret := range []string{"jana@", "text jana", "answer 1", "subject", "Shop"} {
			if strings.Contains(log, secret) {
				t.Errorf("the log holds %q:\n%s", secret, log)
			}
		}
	}, func(h *mailHouse) { h.chatty = true })
}

// TestMessageForgotten: nothing of it is left, and a repeat of the core's does not send
// it again.
func TestMessageForgotten(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.script(refusing)
		h.mails("jana", 1)
		h.sends(1)
		h.waits(time.Second)
		f := forgetting{g: h.gw, tracking: mailEvent("jana", 1).TrackingID}
		if _, err := f.do(h.Context()); err == nil {
			t.Error("a message that is pending was forgotten without a word")
		}
		f.pending = true
		done, err := f.do(h.Context())
		if err != nil || len(done) != 2 {
			t.Fatalf("forgotten in %+v: %v", done, err)
		}
		h.waits(time.Second)
		rows, err := h.disk.mem.Trace(h.Context(), journal.TraceQuery{ID: messageID(1).String(), Recent: 100, Limit: 10})
		if err != nil || len(rows) != 0 {
			t.Errorf("%d rows are left: %v", len(rows), err)
		}
		h.sends(1)
		h.waits(time.Second)
		h.wantSent("", "")
		h.wantAttempts(jana)
		h.mails("jana", 1) // it lay at the source
		h.wantSettled(gaveUp("jana"))
	})
}

// TestMessageBodies: links of files stand behind both bodies, escaped, and the message
// as it came is the last; what is too long is cut, and says so.
func TestMessageBodies(t *testing.T) {
	m := inbound{connectors.Message{
		Text: "hello", HTML: "<p>hello</p>", RemoteAddress: jana,
		Files: []connectors.File{
			{Name: `a"<b>.png`, Type: "image/png", Size: 3 << 20, URL: "https://gw.example/media/a?x=1&y=2"},
			{Name: "gone.txt"},
			{Name: "mail.eml", Type: "message/rfc822", URL: "https://gw.example/media/original", Original: true},
		},
	}}
	ch := &channel{}
	ch.cfg.Name = inboxID.String()
	whole := finished(m.info(ch, "x"), connectors.MaxBody)
	for _, want := range []string{
		`<a href="https://gw.example/media/a?x=1&amp;y=2">a&#34;&lt;b&gt;.png (3.0 MB)</a>`, "gone.txt (there is no link to it)",
		`<a href="https://gw.example/media/original">The message as it came</a></li></ul>`,
	} {
		if !strings.Contains(whole.BodyHtml, want) {
			t.Errorf("the HTML lacks %s:\n%s", want, whole.BodyHtml)
		}
	}
	if want := "The message as it came: https://gw.example/media/original\n"; !strings.HasSuffix(whole.BodyText, want) {
		t.Errorf("the text does not end with %q:\n%s", want, whole.BodyText)
	}
	if strings.Contains(whole.ExtendedFields, "Problem") || !strings.Contains(whole.ExtendedFields, `"Original":true`) {
		t.Errorf("fields: %s", whole.ExtendedFields)
	}
	m.Text, m.HTML = strings.Repeat("ä", connectors.MaxBody), strings.Repeat(`<img src="x">`, 1<<17)
	whole = finished(m.info(ch, "x"), connectors.MaxBody)
	if len(whole.BodyText) > connectors.MaxBody || len(whole.BodyHtml) > connectors.MaxBody {
		t.Errorf("bodies of %d and %d bytes", len(whole.BodyText), len(whole.BodyHtml))
	}
	if !strings.Contains(whole.BodyText, cutProblem) || !strings.Contains(whole.BodyHtml, cutProblem) ||
		!strings.Contains(whole.ExtendedFields, cutProblem) || !strings.HasSuffix(whole.BodyText, "media/original\n") {
		t.Error("it is not said that it was cut")
	}
}

// TestMessageFitsTheFrame: a core with a small MaxFrame gets less of it, with the link
// of the whole.
func TestMessageFitsTheFrame(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		ev := mailEvent("jana", 1)
		ev.Message.Text, ev.Message.HTML = strings.Repeat("t", 1<<19), strings.Repeat("<b>h</b>", 1<<16)
		ev.Message.Files = []connectors.File{{Name: "mail.eml", Type: "message/rfc822", URL: "https://gw.example/media/original", Original: true}}
		if err := h.delivers(ev); err != nil {
			t.Fatal(err)
		}
		h.waits(time.Second)
		h.wantSettled(settledDone("jana", 1))
		m := h.takings()[0]
		if len(m.BodyText)+len(m.BodyHtml) < smallFrame/4 || !strings.Contains(m.BodyText, "media/original") ||
			!strings.Contains(m.BodyHtml, "media/original") || !strings.Contains(m.ExtendedFields, "Problem") {
			t.Errorf("the core was given bodies of %d and %d bytes, %s", len(m.BodyText), len(m.BodyHtml), m.ExtendedFields)
		}
	}, func(h *mailHouse) { h.maxFrame = smallFrame })
}

const smallFrame = 64 << 10

// TestMessageTooLongForAnyFrame is a dead letter, and failed at the source.
func TestMessageTooLongForAnyFrame(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		ev := mailEvent("jana", 1)
		for range 100 {
			ev.Message.References = append(ev.Message.References, strings.Repeat("r", 1000)+"@mail.example")
		}
		if err := h.delivers(ev); err != nil {
			t.Fatal(err)
		}
		h.waits(time.Second)
		h.wantSettled(gaveUp("jana"))
		if dead := h.dead(); len(dead) != 1 || dead[0] != string(connectors.ReasonEncoding) {
			t.Errorf("dead letters: %v", dead)
		}
	}, func(h *mailHouse) { h.maxFrame = smallFrame })
}

// TestShortMessage: events of any kind become messages, as their text is in a chat.
func TestShortMessage(t *testing.T) {
	ch := &channel{media: &media{}}
	ch.cfg.Name = inboxID.String()
	for _, c := range []struct {
		event connectors.Event
		want  string
	}{
		{connectors.Event{Kind: connectors.KindText, Text: "hello"}, "hello"},
		{connectors.Event{Kind: connectors.KindStop}, "The customer wants no more messages."},
		{connectors.Event{Kind: connectors.KindStop, Text: "STOP"}, "STOP"},
		{connectors.Event{Kind: connectors.KindFile, File: &connectors.File{Type: "image/png", ID: "m1", URL: "https://x"}, Text: "look"}, "file:image/png|m1|https://x\nlook"},
		{connectors.Event{Kind: connectors.KindMessage}, "The customer sent something this channel cannot show."},
	} {
		c.event.NetworkID, c.event.Customer = "SM1", connectors.Customer{RemoteAddress: "+43", Culture: "de"}
		m := ch.toMessage(c.event)
		info := m.info(ch, "SM1")
		if info.BodyText != c.want || info.RemoteAddress != "+43" || info.FromField != "+43" || info.Culture != "de" || info.ReceivedSentTime.IsZero() {
			t.Errorf("%s: %+v", c.event.Kind, info)
		}
	}
}

// TestMessageLimits: fields for people are cut at a character, names are shortened.
func TestMessageLimits(t *testing.T) {
	long := strings.Repeat("ü", 1000)
	m := inbound{connectors.Message{From: long, RemoteAddress: jana, To: long, Cc: long, Bcc: long, Subject: long, InReplyTo: long}}
	ch := &channel{}
	ch.cfg.Name = inboxID.String()
	info := m.info(ch, "x")
	for name, c := range map[string]struct {
		value string
		limit int
	}{
		"From": {info.FromField, 160}, "To": {info.ToField, 320}, "Cc": {info.ToCcField, 320}, "Bcc": {info.ToBccField, 320}, "Subject": {info.SubjectField, 320},
	} {
		if c.value != strings.Repeat("ü", c.limit) {
			t.Errorf("%s is %d bytes long", name, len(c.value))
		}
	}
	if info.InReplyToId != simprot.ShortenID(long, 80) || len(info.InReplyToId) > 80 {
		t.Errorf("InReplyToId is %q", info.InReplyToId)
	}
}
