package gateway

import (
	"context"
	"errors"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

const (
	// unknownChannel is the name dead letters of unserved Ports are kept under;
	// no configured channel can have it.
	unknownChannel = "-"
	// foreignPatience is how long another gateway of the Peer has to deliver a
	// sentence for a Port that is not served here.
	foreignPatience = time.Minute
	// maxForeign bounds how many such sentences are asked about at a time; the
	// dead letters tell of the others.
	maxForeign = 100
)

// foreign keeps a sentence for a Port that nobody here serves: dead, so that
// an operator sees it. If the core shows it unconfirmed after a minute, no
// other gateway had it either, and the agent is told.
func (g *Gateway) foreign(sn *simprot.ChatSentenceInfo) {
	e := journal.Entry{
		Lane: journal.Lane{
			Channel: unknownChannel, Direction: journal.Out, TrackingID: foreignID(sn.Port, sn.TrackingId),
		},
		ID: outID(sn), TextHash: textHash(sn.Text), Counter: sn.Counter,
		Content:    (&content{Text: sn.Text, Model: sn.Model}).encode(),
		DeadReason: string(connectors.ReasonNoChannel),
	}
	g.journal.Submit([]journal.Entry{e}, func(v []journal.Verdict, err error) {
		if err != nil {
			return // the core keeps it unconfirmed
		}
		g.metrics.unknown.taken(journal.Out, []journal.Entry{e}, v)
		if v[0] == journal.Repeat {
			return
		}
		logDead(g.log.With("channel", unknownChannel), e.Lane, e.ID, e.DeadReason)
		if g.foreigners.Add(1) > maxForeign || !g.life.spawn(func() { defer g.foreigners.Add(-1); g.tellForeign(g.life.lanes, sn) }) {
			g.foreigners.Add(-1)
		}
	})
}

// foreignID tells the conversations of unserved Ports apart.
func foreignID(port, tracking string) string {
	return simprot.ShortenID(port+"|"+tracking, simprot.MaxTrackingID)
}

// errNotServed: nobody here would deliver the row.
var errNotServed = errors.New("the row's channel is not configured")

// servedRows is the journal as operators may change it: a dead letter is
// requeued only where somebody delivers it.
type servedRows struct {
	journal.Journal
	g *Gateway
}

func (s servedRows) Requeue(ctx context.Context, seq int64) error {
	row, err := s.Row(ctx, seq)
	if err != nil {
		return err
	}
	if s.g.channel(row.Lane.Channel) == nil {
		return errNotServed
	}
	return s.Journal.Requeue(ctx, seq)
}

// tellForeign asks STATUS alone: RESYNC is the owner's, and there is none here.
// The note is not journaled; the dead letter stands for it.
func (g *Gateway) tellForeign(ctx context.Context, sn *simprot.ChatSentenceInfo) {
	sleep(ctx, foreignPatience)
	s := g.link.Session()
	if s == nil || ctx.Err() != nil {
		return
	}
	st, err := s.Status(ctx, &simprot.ChatStatusInfo{Port: sn.Port, TrackingId: sn.TrackingId})
	if err != nil || st.Status.Closed() {
		return
	}
	for _, shown := range st.Sentences {
		if shown == nil || !shown.IsOutbound || shown.ID != sn.ID || shown.ConfirmedTime != nil {
			continue
		}
		g.metrics.note("failure")
		_ = s.Send(simprot.CodeChatSentenceIn, &simprot.ChatSentenceInfo{
			Port: sn.Port, TrackingId: sn.TrackingId, ID: simprot.ShortenID("note:"+sn.ID, simprot.MaxID),
			PartyName: g.config().Core.Peer, TimeSent: time.Now().UTC(), Model: simprot.ModelTechNote,
			Text: undelivered(sn.ID, "no channel serves Port "+sn.Port),
		}, nil) // gone: the dead letter tells of it
		return
	}
}
