package corecheck

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"servicelink/simprot"
)

const (
	// burst and questions are what a gateway has on its way at most.
	burst     = 256
	questions = 32
)

// order writes as much as a gateway may without waiting, and compares the
// order of what comes back.
func (r *run) order(ctx context.Context) error {
	if r.book.is("echo", Broken) {
		return fmt.Errorf("echoes cannot be told apart")
	}
	l, first, err := r.freshChat(ctx, nil)
	if err != nil {
		return err
	}
	defer l.close()
	second, asked := r.newConv(), r.newConv()
	for _, c := range []*conv{second, asked} {
		if err := l.open(ctx, c); err != nil {
			return err
		}
	}
	chats := []*conv{first, second}
	ids := [2][]string{}
	var packets []simprot.Packet
	var want []string
	for i := range burst {
		id := r.newID()
		ids[i%2] = append(ids[i%2], id)
		packets = append(packets, l.sentencePacket(chats[i%2], id, "in order"))
		want = append(want, id)
		if i%(burst/questions) == burst/questions-1 {
			packets = append(packets, simprot.Packet{
				Code: simprot.CodeChatStatusAsk, Extras: simprot.Extras{Ask: r.newID()},
				Payload: &simprot.ChatStatusInfo{Peer: r.cfg.Peer, Port: r.cfg.Port, TrackingId: asked.tracking},
			})
			want = append(want, asked.tracking)
		}
	}
	if err := l.send(packets...); err != nil {
		return err
	}
	r.judgeOrder(want, r.collect(ctx, l, len(want)))
	return r.allThere(ctx, l, first, ids[0])
}

// collect gathers what echoes and answers are about, in order of arrival.
func (r *run) collect(ctx context.Context, l *link, n int) []string {
	var came []string
	echoed := map[string]bool{}
	for len(came) < n {
		p := l.wait(ctx, func(p *received) bool {
			return p.code == simprot.CodeChatStatus || p.code == simprot.CodeChatSentence
		})
		switch {
		case p == nil:
			return came
		case p.status() != nil:
			came = append(came, strings.ToLower(p.status().TrackingId))
		case p.sentence() != nil && !p.sentence().IsOutbound && !echoed[p.sentence().ID]:
			echoed[p.sentence().ID] = true
			came = append(came, p.sentence().ID)
		}
	}
	return came
}

func (r *run) judgeOrder(want, came []string) {
	at := 0
	for at < len(came) && came[at] == want[at] {
		at++
	}
	if at == len(want) {
		r.book.judge("order", true, "%d echoes and answers in order", len(came))
		return
	}
	r.book.judge("order", false, "%d of %d echoes and answers; the first out of place is number %d", len(came), len(want), at+1)
}

// allThere asks for a chat with many sentences.
func (r *run) allThere(ctx context.Context, l *link, c *conv, ids []string) error {
	if !r.book.is("stored", Kept) {
		return fmt.Errorf("sentences are not stored, or not shown")
	}
	s, err := l.status(ctx, c)
	if err != nil {
		return err
	}
	missing := 0
	for _, id := range ids {
		if find(s.Sentences, id) == nil {
			missing++
		}
	}
	r.book.judge("complete", missing == 0, "%d of %d", len(ids)-missing, len(ids))
	counters := make([]int32, len(s.Sentences))
	for i, v := range s.Sentences {
		counters[i] = v.Counter
	}
	switch {
	case len(counters) == 0:
		r.book.leave("sentence-order", "no Sentences")
	case slices.Max(counters) == 0:
		i := -1
		inOrder := !slices.ContainsFunc(s.Sentences, func(v *simprot.ChatSentenceInfo) bool {
			before := i
			i = slices.Index(ids, v.ID)
			return i <= before
		})
		r.book.judge("sentence-order", inOrder, "no Counters; in the order of sending: %t", inOrder)
	default:
		rises := !slices.ContainsFunc(counters, func(n int32) bool { return n <= 0 }) &&
			slices.IsSorted(counters) && len(slices.Compact(slices.Clone(counters))) == len(counters)
		r.book.judge("sentence-order", rises, "Counters %d to %d, each above the one before: %t", counters[0], counters[len(counters)-1], rises)
	}
	return nil
}

// texts sends what is longest and what is strangest.
func (r *run) texts(ctx context.Context) error {
	l, err := r.fresh(ctx, nil)
	if err != nil {
		return err
	}
	defer l.close()
	c := r.newConv()
	c.tracking += "|+420@x-y_2f." + strings.Repeat("z", simprot.MaxTrackingID)
	c.tracking = c.tracking[:simprot.MaxTrackingID]
	c.party = strings.Repeat("é", simprot.MaxPartyName)
	if err := l.open(ctx, c); err != nil {
		return err
	}
	id := r.newID()
	id += strings.Repeat("x", simprot.MaxID-len(id))
	text := "Dobrý den 👋🏽, \"quoted\" <b>'&amp;'</b> \\n\r\n\tпривет שלום 你好 e\u0301 \u200d end "
	got, err := l.say(ctx, c, id, text)
	if err != nil {
		return err
	}
	if got != nil {
		echo := got.sentence()
		r.book.judge("limits", echo.ID == id && strings.EqualFold(echo.TrackingId, c.tracking), "echo: ID %s, TrackingId %s",
			masked(echo.ID, id), masked(echo.TrackingId, c.tracking))
	}
	s, err := l.status(ctx, c)
	if err != nil {
		return err
	}
	if len(s.Sentences) != 1 {
		return fmt.Errorf("STATUS shows %s where there is one", presence(s.Sentences))
	}
	v := s.Sentences[0]
	r.book.judge("limits", v.ID == id && v.PartyName == c.party, "Sentences: ID %s, PartyName %s", masked(v.ID, id), masked(v.PartyName, c.party))
	r.book.judge("text", v.Text == text, "Text %s", masked(v.Text, text))
	return nil
}

// duplicates sends one sentence twice. A core need not notice.
func (r *run) duplicates(ctx context.Context) error {
	l, c, err := r.freshChat(ctx, nil)
	if err != nil {
		return err
	}
	defer l.close()
	id := r.newID()
	p := l.sentencePacket(c, id, "twice")
	if err := l.send(p, p); err != nil {
		return err
	}
	s, err := l.status(ctx, c)
	if err != nil {
		return err
	}
	shown := 0
	for _, v := range s.Sentences {
		if v.ID == id {
			shown++
		}
	}
	if shown == 0 && !r.book.is("stored", Kept) {
		return fmt.Errorf("sentences are not stored, or not shown")
	}
	echoes := r.inbox.count(func(p *received) bool { return p.link == l && isEcho(id)(p) })
	if r.book.is("echo", Broken) || r.book.is("echo-once", Broken) {
		return fmt.Errorf("echoes are wrong already for one")
	}
	r.book.judge("duplicates", echoes >= 1 && echoes <= 2 && shown >= 1 && shown <= 2, "%d echoes, %d times among Sentences", echoes, shown)
	return nil
}

// afterCounter asks for the newest sentences only.
func (r *run) afterCounter(ctx context.Context) error {
	l, c, err := r.freshChat(ctx, nil)
	if err != nil {
		return err
	}
	defer l.close()
	const all, after = 4, 2
	for range all {
		if _, err := l.say(ctx, c, r.newID(), "counted"); err != nil {
			return err
		}
	}
	whole, err := l.status(ctx, c)
	if err != nil {
		return err
	}
	if len(whole.Sentences) != all {
		return fmt.Errorf("STATUS shows %s where there are %d", presence(whole.Sentences), all)
	}
	if !r.book.is("counter", Kept) {
		return fmt.Errorf("sentences have no Counter")
	}
	some, err := l.statusAfter(ctx, c, whole.ChatId, after, "answers")
	if err != nil {
		return err
	}
	if n := len(some.Sentences); n == all {
		r.book.absent("after-counter", "all Sentences")
	} else {
		r.book.judge("after-counter", n == all-after, "%s of %d", presence(some.Sentences), all)
	}
	other, err := l.statusAfter(ctx, c, uuid.New(), after, "answers")
	if err != nil {
		return err
	}
	r.book.judge("after-counter-chat", len(other.Sentences) == all, "%s of %d", presence(other.Sentences), all)
	return nil
}
