package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/console"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// pages is what the console is made from: console.Source.
type pages struct{ g *Gateway }

// examineTimeout bounds an examination of everything that a browser waits for.
const examineTimeout = 3 * time.Minute

// consoleCall mounts the console, which has a door of its own: people log in with
// the token once.
func (g *Gateway) consoleCall() apiCall {
	return apiCall{path: console.Path, handler: console.New(console.Options{
		Token: g.config().Private.Token, Source: pages{g}, Log: g.log,
	}).ServeHTTP}
}

// toConsole leads browsers from the bare address to the console; others get what
// every unknown path gets.
func toConsole(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		writeError(w, http.StatusNotFound, "not found")
		return
	}
	http.Redirect(w, r, console.Path, http.StatusSeeOther)
}

// refusal makes an error for the console, and a log line of what is no refusal.
func (p pages) refusal(err error) error {
	if err == nil {
		return nil
	}
	status, text := refused(err)
	if status == http.StatusInternalServerError {
		p.g.log.Error("admin call failed", slog.Any("error", err))
		text = "it failed, the gateway's log says why"
	}
	return &console.Error{Status: status, Text: text}
}

// Overview is Status for the console.
func (p pages) Overview(ctx context.Context) (console.Overview, error) {
	s, err := p.g.Status(ctx)
	if err != nil {
		return console.Overview{}, p.refusal(err)
	}
	o := console.Overview{
		Version: s.Version, At: s.At, Started: s.Started, Ready: s.Ready, Core: s.Core, Balanced: s.Balanced, Suspects: s.Suspects,
		Journal: console.Journal{State: s.Journal.State, Bytes: s.Journal.Bytes, MaxBytes: s.Journal.MaxBytes, Volatile: s.Journal.Volatile},
	}
	for _, f := range s.Faults {
		o.Faults = append(o.Faults, console.Fault{Channel: f.Channel, Gateway: f.Gateway, What: f.What, Hint: f.Hint, Since: f.Since})
	}
	for i := range s.Channels {
		o.Channels = append(o.Channels, channelOf(&s.Channels[i]))
	}
	return o, nil
}

func channelOf(s *ChannelStatus) console.Channel {
	ch := console.Channel{Name: s.Name, Network: s.Network, Port: s.Port, State: s.State, In: booksOf(&s.In), Out: booksOf(&s.Out)}
	if c := s.Gateway; c != nil {
		ch.Gateway, ch.Device, ch.Direction = c.Name, c.Device, c.Direction
	}
	if e := s.LastError; e != nil {
		ch.LastDead = &console.LastDead{Seq: e.Seq, Reason: e.Reason, Hint: e.Hint, At: e.At}
	}
	return ch
}

func booksOf(l *LedgerStatus) console.Books {
	return console.Books{Accepted: l.Accepted, Requeued: l.Requeued, Done: l.Done, Dead: l.Dead, Pending: l.Pending, Oldest: l.Oldest}
}

// Dead lists dead letters.
func (p pages) Dead(ctx context.Context, channel string, before int64, limit int) ([]console.Letter, error) {
	rows, err := p.g.journal.Dead(ctx, journal.DeadQuery{Channel: channel, Before: before, Limit: limit})
	return letters(rows), p.refusal(err)
}

// Suspects lists what is parked.
func (p pages) Suspects() (list []console.Letter) {
	for _, s := range p.g.suspects.list() {
		list = append(list, letterOf(&s.row))
	}
	return list
}

// Stranded sums up what waits for channels that are not served.
func (p pages) Stranded(ctx context.Context) (list []console.Stranded, err error) {
	lanes, err := stranded(p).List(ctx)
	for _, l := range lanes {
		list = append(list, console.Stranded{Channel: l.Channel, State: l.State, Direction: l.Direction, Pending: l.Pending, Oldest: l.Oldest})
	}
	return list, p.refusal(err)
}

// StrandedRows lists one such channel's.
func (p pages) StrandedRows(ctx context.Context, channel string, after int64, limit int) ([]console.Letter, error) {
	rows, err := stranded(p).Page(ctx, channel, after, limit)
	return letters(rows), p.refusal(err)
}

func letters(rows []journal.Row) []console.Letter {
	list := make([]console.Letter, len(rows))
	for i := range rows {
		list[i] = letterOf(&rows[i])
	}
	return list
}

// letterOf shows of a row what redactRow does, and not more.
func letterOf(row *journal.Row) console.Letter {
	maybe := func(part journal.Part) bool {
		return part.State == journal.PartAttempting || part.State == journal.PartSent || part.State == journal.PartUnknown
	}
	return console.Letter{
		Seq: row.Seq, Channel: row.Lane.Channel, Direction: row.Lane.Direction.String(),
		Conversation: simprot.LogID(row.Lane.TrackingID), ID: simprot.LogEventID(row.Lane.TrackingID, row.ID),
		Reason: row.Reason, Hint: row.Hint, Attempts: row.Attempts, Bytes: len(row.Content),
		Accepted: row.AcceptedAt, Ended: row.EndedAt, Risky: slices.ContainsFunc(row.Parts, maybe),
	}
}

// Trace is trace without texts, names and addresses.
func (p pages) Trace(ctx context.Context, q console.Query) (console.Trace, error) {
	asked := traceQuery{text: q.Text, by: q.By, channel: q.Channel}
	found, err := p.g.trace(ctx, asked)
	if err != nil {
		return console.Trace{}, p.refusal(err)
	}
	if len(found.Conversations) == 0 {
		return console.Trace{}, &console.Error{
			Status: http.StatusNotFound, Text: "nothing of that name in the journal's newest rows" + hashedHint(asked),
		}
	}
	t := console.Trace{By: found.By, Notes: found.Notes}
	for i := range found.Conversations {
		t.Conversations = append(t.Conversations, shownConversation(&found.Conversations[i]))
	}
	for i := range found.Messages {
		t.Messages = append(t.Messages, shownMessage(&found.Messages[i]))
	}
	return t, nil
}

func shownConversation(c *TracedConversation) console.Conversation {
	shown := console.Conversation{
		Channel: c.Channel, Hash: c.Conversation, ChatID: c.ChatID, Counter: c.Counter, Started: c.Started, LastSeen: c.LastSeen,
	}
	if w := c.Window; w != nil {
		shown.Window = &console.Window{Open: w.Open, End: w.End, What: w.What}
	}
	return shown
}

func shownMessage(m *TracedMessage) console.Message {
	shown := console.Message{
		Seq: m.Seq, Channel: m.Channel, Direction: m.Direction, State: m.State, Hash: m.Conversation, ID: m.ID,
		Counter: m.Counter, Bytes: m.Bytes,
	}
	if n := m.Now; n != nil {
		shown.Now = &console.Now{Waits: n.Waits, Hint: n.Hint, Since: n.Since, Until: n.Until, Behind: n.Behind}
	}
	for _, s := range m.Steps {
		shown.Steps = append(shown.Steps, console.Step{At: s.At, Until: s.Until, Kind: s.Kind, What: s.What})
	}
	return shown
}

// Diagnosis is the latest of every channel.
func (p pages) Diagnosis() console.Diagnosis {
	d := p.g.diagnosis()
	shown := console.Diagnosis{At: d.At}
	for _, c := range d.Checks {
		shown.Checks = append(shown.Checks, console.Finding(c))
	}
	return shown
}

// Examine looks at everything now; what it finds is the latest from then on.
func (p pages) Examine(ctx context.Context, remote string) error {
	ctx, cancel := context.WithTimeout(ctx, examineTimeout)
	defer cancel()
	_, err := p.g.examineAsked(ctx, "")
	p.g.log.LogAttrs(ctx, slog.LevelInfo, "admin action", slog.String("action", "doctor"),
		slog.String("remote", remote), slog.String("result", actionResult(err)))
	return p.refusal(err)
}

// Act does what an operator asks, as the API does it, with the same line in the log.
func (p pages) Act(ctx context.Context, a console.Action) (n int, err error) {
	rows, waiting, parked := servedRows{p.g.journal, p.g}, stranded(p), &p.g.suspects
	do := map[console.Verb]struct {
		name string
		do   func(context.Context, int64) error
	}{
		console.Requeue:         {"requeue", rows.Requeue},
		console.Discard:         {"discard", rows.Discard},
		console.RequeueSuspect:  {"requeue suspect", parked.tell(true)},
		console.DiscardSuspect:  {"discard suspect", parked.tell(false)},
		console.DiscardStranded: {"discard stranded", waiting.Discard},
	}
	switch a.Verb {
	case console.Pause, console.Resume:
		err = p.g.pauseAudited(ctx, string(a.Verb), a.Channel, a.Verb == console.Pause, a.Remote)
	case console.DiscardChannel:
		n, _, err = discardAudited(ctx, p.g.log, waiting, a.Channel, a.Remote)
	default:
		it, known := do[a.Verb]
		if !known {
			return 0, &console.Error{Status: http.StatusBadRequest, Text: "no such action"}
		}
		n, err = 1, audited(ctx, p.g.log, it.name, a.Seq, a.Remote, it.do)
	}
	return n, p.refusal(err)
}

// Flow is the console's.
func (p pages) Flow(channel string) []console.Minute { return p.g.flow.of(channel, time.Now()) }

// Hooks lists what is to be entered at a channel's network; it is asked of the
// connector that runs, not of the configuration on trial.
func (p pages) Hooks(channel string) []console.Hook {
	ch := p.g.channel(channel)
	if ch == nil || p.g.config().Public.URL == "" {
		return nil
	}
	lister, ok := ch.conn.(connectors.HookLister)
	if !ok {
		return nil
	}
	_, register := ch.conn.(connectors.Registrar)
	var hooks []console.Hook
	for _, h := range lister.Hooks() {
		hooks = append(hooks, console.Hook{
			Where: h.Where, Method: h.Method, URL: MaskHook(p.g.config().Public.URL, ch.conn, h), Register: register,
		})
	}
	return hooks
}
