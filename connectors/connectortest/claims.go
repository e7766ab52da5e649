package connectortest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"servicelink/config"
	"servicelink/connectors"
)

// simChecks are for every connector whose network has a simulator.
func simChecks(h Harness) []check {
	list := slices.Concat(sendSimChecks, reconcileChecks)
	if slices.Contains(h.Simulation.Kinds, connectors.KindNotice) {
		list = append(list, check{"reconcile/notice", checkNotice, inBubble})
	}
	if h.Webhook == nil {
		return slices.Concat(list, scenarioChecks(h), runChecks)
	}
	return slices.Concat(list, recoverChecks, []check{{"register", checkRegister, inBubble}}, scenarioChecks(h),
		[]check{{"inbound/brought", checkBrought, inBubble}})
}

var sendSimChecks = []check{
	{"claims/text", checkTextClaim, inBubble},
	{"claims/caption", checkCaptionClaim, inBubble},
	{"claims/buttons", checkButtonClaim, inBubble},
	{"claims/files", checkFileClaim, inBubble},
	{"claims/network id", checkNetworkID, inBubble},
	{"claims/replies", checkReplyClaim, inBubble},
	{"claims/read marks", checkMarkClaim, inBubble},
	{"claims/typing", checkTypingClaim, inBubble},
	{"claims/open", checkOpenClaim, inBubble},
	{"claims/resend", checkResendClaim, inBubble},
	{"send/faults", checkSendFaults, inBubble},
	{"send/rows", checkRows, onSockets},
}

// units makes a text that a network counting in unit counts as n, of characters
// that other ways to count see otherwise.
func units(unit connectors.TextUnit, n int) string {
	switch {
	case unit == connectors.Characters:
		return strings.Repeat("😀", n)
	case unit == connectors.SMSSegments && n == 1:
		return strings.Repeat("a", 160)
	case unit == connectors.SMSSegments:
		return strings.Repeat("a", 153*n)
	case n%2 == 1:
		return "a" + units(unit, n-1)
	case unit == connectors.UTF16Units:
		return strings.Repeat("😀", n/2)
	default:
		return strings.Repeat("ž", n/2)
	}
}

// unlimited is a text for networks that set no limit.
const unlimited = 100_000

// checkTextClaim: the network takes a text of TextLimit and no longer one: the
// engine cuts by that number.
func checkTextClaim(p *probe) {
	w := p.world().known()
	c := p.connector(memoryAddress)
	caps := c.Capabilities()
	limit := caps.TextLimit
	if limit == 0 {
		limit = unlimited
	}
	text := units(caps.TextUnit, limit)
	if _, se := w.send(c, p.part("id-1", text)); se != nil {
		p.errorf("a text of TextLimit %d is refused: %v", limit, se)
	} else if got := w.shown(); len(got) != 1 || got[0].Text != text {
		p.errorf("a text of TextLimit %d arrives as %d messages, or changed", limit, len(got))
	}
	// How many short messages a text may cost is the channel's choice; what the network
	// takes is more.
	if caps.TextLimit == 0 || caps.TextUnit == connectors.SMSSegments {
		return
	}
	_, se := w.send(c, p.part("id-2", text+"a"))
	w.refused(se, "a text longer than TextLimit")
}

// refused expects that the network refuses what is over its limits, and the
// connector leaves nothing out to make it fit.
func (w *world) refused(se *connectors.SendError, what string) {
	if se == nil {
		w.p.errorf("%s is sent: the claim is too small, or it was cut", what)
		return
	}
	w.p.expect(what, se, connectors.Rejected, connectors.ReasonContent)
}

// OutFile is a file of the agent whose address no network reaches, and whose bytes
// the connector may ask for.
func OutFile(name, kind, content string) *connectors.OutFile {
	return outFile(name, kind, "https://files.example.com/"+name, content)
}

func outFile(name, kind, url, content string) *connectors.OutFile {
	return &connectors.OutFile{Name: name, Type: kind, URL: url, Open: func(context.Context) (*connectors.Media, error) {
		return &connectors.Media{
			Body: io.NopCloser(strings.NewReader(content)), Type: kind, Size: int64(len(content)),
		}, nil
	}}
}

func checkCaptionClaim(p *probe) {
	w := p.world().known()
	c := p.connector(memoryAddress)
	caps := c.Capabilities()
	if !caps.Files && caps.Caption > 0 {
		p.errorf("Caption is %d although Files is not declared", caps.Caption)
	}
	if !caps.Files || caps.Caption == 0 {
		return
	}
	part := p.part("id-1", units(caps.TextUnit, caps.Caption))
	part.File = OutFile("kit.pdf", "application/pdf", "%PDF-1.4 kit")
	if _, se := w.send(c, part); se != nil {
		p.errorf("a file with a caption of Caption %d is refused: %v", caps.Caption, se)
	}
	if caps.TextUnit == connectors.SMSSegments {
		return
	}
	part.ID, part.Text = "id-2", part.Text+"a"
	_, se := w.send(c, part)
	w.refused(se, "a caption longer than Caption")
}

// checkFileClaim: a file arrives, whether or not the network can fetch its
// address, and the error of the engine's own fetch is passed on.
func checkFileClaim(p *probe) {
	w := p.world().known()
	c := p.connector(memoryAddress)
	if !c.Capabilities().Files {
		return
	}
	for _, kind := range []string{"application/pdf", "image/png", "video/mp4", "audio/mpeg", "document", "photo", ""} {
		part := p.part("id-"+kind, "")
		part.File = OutFile("kit.bin", kind, "content of the kit's file")
		if _, se := w.send(c, part); se != nil {
			p.errorf("a file of type %q is refused: %v", kind, se)
		}
	}
	before := len(w.shown())
	part := p.part("id-gone", "")
	part.File = OutFile("kit.pdf", "application/pdf", "")
	part.File.Open = func(context.Context) (*connectors.Media, error) {
		return nil, &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonForbidden, Code: "kit"}
	}
	if _, se := w.send(c, part); se != nil {
		if se.Code != "kit" || se.Reason != connectors.ReasonForbidden || se.Outcome != connectors.Rejected {
			p.errorf("the error of OutFile.Open comes back as %v, want it as it is", se)
		}
	} else if len(w.shown()) == before {
		p.errorf("Send of a file that nobody can read is a success, and nothing arrives")
	}
}

// payloads are what agents write behind a button.
var payloads = []string{"1", "yes", "a|b]c", "ž😀", "  ", "<&\">", strings.Repeat("p", 40), strings.Repeat("p", 64), strings.Repeat("p", 65), strings.Repeat("p", 300)}

// checkButtonClaim: the network takes so many buttons, and titles and payloads so
// long; each payload comes out as the agent wrote it, or not at all.
func checkButtonClaim(p *probe) {
	w := p.world().known()
	c := p.connector(memoryAddress)
	caps := c.Capabilities()
	if caps.Buttons == 0 {
		return
	}
	part := p.part("id-many", "choose")
	for i := range caps.Buttons {
		part.Buttons = append(part.Buttons, connectors.Button{ID: fmt.Sprint("p", i), Text: fmt.Sprint("t", i)})
	}
	w.offer(c, part, fmt.Sprintf("%d buttons", caps.Buttons))
	title := caps.ButtonTitle
	if title == 0 {
		title = 100
	}
	part = p.part("id-title", "choose")
	part.Buttons = []connectors.Button{{ID: "p", Text: units(connectors.Characters, title)}}
	w.offer(c, part, fmt.Sprintf("a button's title of %d characters", title))
	for i, payload := range payloads {
		part := p.part(fmt.Sprint("id-payload-", i), "choose")
		part.Buttons = []connectors.Button{{ID: payload, Text: "this"}}
		if caps.ButtonPayload == 0 || len(payload) <= caps.ButtonPayload {
			w.offer(c, part, fmt.Sprintf("the payload %.80q (%d bytes)", payload, len(payload)))
			continue
		}
		_, se := w.send(c, part)
		w.refused(se, fmt.Sprintf("a payload of %d bytes", len(payload)))
	}
}

// offer sends buttons, and compares them with those of the latest message.
func (w *world) offer(c connectors.Connector, part connectors.Part, what string) {
	if _, se := w.send(c, part); se != nil {
		w.p.errorf("%s: refused with %v", what, se)
		return
	}
	var want []string
	for _, b := range part.Buttons {
		want = append(want, b.ID)
	}
	got := w.shown()
	if len(got) == 0 || !slices.Equal(got[len(got)-1].Buttons, want) {
		w.p.errorf("%s: the payloads %.80q arrive otherwise", what, want)
	}
}

// checkNetworkID: an event says how the network names the message: not as EventID
// does, in which nothing can be read where it is a hash.
func checkNetworkID(p *probe) {
	s := p.stage()
	defer s.leave()
	id := s.act("text", map[string]any{"text": "a question"})
	s.rest()
	events := s.journal.taken()
	if len(events) == 0 {
		p.errorf("a text does not come")
	}
	for _, ev := range events {
		if !strings.Contains(ev.NetworkID, id) {
			p.errorf("the message %q comes with the NetworkID %q", id, ev.NetworkID)
		}
	}
}

// checkReplyClaim: a part may name the message it answers, by the network's id or
// as the event told it; one that is gone is left out.
func checkReplyClaim(p *probe) {
	if !p.connector(nowhere).Capabilities().Replies {
		return
	}
	s := p.stage()
	defer s.leave()
	id := s.act("text", map[string]any{"text": "a question"})
	s.rest()
	names := map[string]string{id: id, "987654321": "", "no such id": "", strings.Repeat("Q", 200): ""}
	for _, ev := range s.journal.taken() {
		names[ev.NetworkID] = id
	}
	for name, want := range names {
		part := p.part("id-"+name, "the answer")
		part.ReplyTo = name
		if _, se := s.send(s.c, part); se != nil {
			p.errorf("Send with ReplyTo %q: %v; a message that is gone is left out", name, se)
			continue
		}
		if got := s.shown(); got[len(got)-1].ReplyTo != want {
			p.errorf("Send with ReplyTo %q answers the message %q, want %q", name, got[len(got)-1].ReplyTo, want)
		}
	}
}

// checkMarkClaim: a message is marked as read by what its event told, and a failure
// is not hidden.
func checkMarkClaim(p *probe) {
	if _, ok := p.connector(nowhere).(connectors.ReadMarker); !ok {
		return
	}
	s := p.stage()
	defer s.leave()
	s.say("a question")
	s.rest()
	mark := func(id string) error {
		ctx, cancel := context.WithTimeout(context.Background(), sendPatience)
		defer cancel()
		return s.c.(connectors.ReadMarker).MarkRead(ctx, p.part("", "").To, id)
	}
	for _, ev := range s.journal.taken() {
		before := len(s.requests(0))
		if se := p.judge(mark(ev.NetworkID)); se != nil {
			p.errorf("MarkRead of %q: %v", ev.NetworkID, se)
		}
		if len(s.requests(before)) == 0 {
			p.errorf("MarkRead asks the network for nothing")
		}
		s.fault(Fault{Kind: FaultServer})
		if p.judge(mark(ev.NetworkID)) == nil {
			p.errorf("MarkRead hides that the network failed")
		}
		s.sim.Clear()
	}
}

// checkResendClaim: where a send of unknown fate is sent again unless somebody says
// otherwise, the customer sees it once.
func checkResendClaim(p *probe) {
	w := p.world().known()
	c := p.connector(memoryAddress)
	if c.Capabilities().Unknown != config.Resend {
		return
	}
	before := len(w.shown())
	part := p.part("id-1", markText)
	w.wire.lose(lostAnswer, part.Text)
	if _, se := w.send(c, part); se == nil || se.Outcome != connectors.Unknown {
		p.errorf("Send whose answer is lost: %v, want an unknown outcome", se)
	}
	if _, se := w.send(c, part); se != nil {
		p.errorf("Send of the same part again: %v", se)
	}
	if got := len(w.shown()) - before; got != 1 {
		p.errorf("Unknown is resend, and a part that is sent twice is shown %d times", got)
	}
}

func checkTypingClaim(p *probe) {
	if _, ok := p.connector(nowhere).(connectors.Typer); !ok {
		return
	}
	s := p.stage()
	defer s.leave()
	s.say("a question")
	s.rest()
	typer := s.c.(connectors.Typer)
	answering := s.journal.latest()
	before := len(s.requests(0))
	for _, typing := range []bool{true, false} {
		if se := p.judge(typer.Typing(context.Background(), p.part("", "").To, answering, typing)); se != nil {
			p.errorf("Typing: %v", se)
		}
		if len(s.requests(before)) == 0 {
			p.errorf("Typing asks the network for nothing")
		}
	}
	if se := p.judge(typer.Typing(context.Background(), p.part("", "").To, "", true)); se != nil {
		p.errorf("Typing where no message is known: %v", se)
	}
	s.fault(Fault{Kind: FaultServer})
	ctx, cancel := context.WithTimeout(context.Background(), sendPatience)
	defer cancel()
	if err := typer.Typing(ctx, p.part("", "").To, answering, true); err == nil {
		p.errorf("Typing hides that the network failed")
	} else {
		p.hear(err)
	}
	s.sim.Clear()
}
