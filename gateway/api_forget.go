package gateway

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"servicelink/simprot"
)

const (
	// longTimeout bounds the calls that look through the whole journal.
	longTimeout = 30 * time.Minute
	// formMax bounds what a call brings in its body, in bytes.
	formMax = 64 << 10
)

// serveForget answers POST /api/v1/forget with tracking=, channel= and pending=
// as a form: a TrackingId may be a telephone number, and addresses of calls are
// logged by what lies in between. Every call leaves a line that says who forgot
// whom, by its hash, and how much; at a level that is not switched off.
func (g *Gateway) serveForget(w http.ResponseWriter, r *http.Request) {
	form, err := readForm(w, r, "tracking", "channel", "pending")
	pending, known := map[string]bool{"": false, "false": false, "true": true}[form["pending"]]
	if err != nil || form["tracking"] == "" || !known {
		writeError(w, http.StatusBadRequest, "bad form: tracking, channel, pending (true or false)")
		return
	}
	// Once begun it is finished, whoever hangs up.
	ctx, cancel := longCall(context.WithoutCancel(r.Context()), w)
	defer cancel()
	answer := Forgotten{Conversation: simprot.LogID(form["tracking"])}
	answer.Channels, err = forgetting{g, form["tracking"], form["channel"], pending}.do(ctx)
	all := answer.sum()
	g.log.LogAttrs(ctx, slog.LevelWarn, "admin action", slog.String("action", "forget"), slog.String("channel", all.Channel),
		slog.String("conversation", answer.Conversation), slog.Int("rows", all.Messages), slog.Int("dead_letters", all.DeadLetters),
		slog.Int("given_up", all.GivenUp), slog.Bool("clean", all.Clean),
		slog.String("remote", r.RemoteAddr), slog.String("result", actionResult(err)))
	if err != nil {
		failAdmin(w, g.log, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// longCall gives a call the time to look through the whole journal; the server
// would end it before.
func longCall(ctx context.Context, w http.ResponseWriter) (context.Context, context.CancelFunc) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // a recorder has none
	_ = control.SetWriteDeadline(time.Time{})
	return context.WithTimeout(ctx, longTimeout)
}

// readForm reads a body as readQuery does a query.
func readForm(w http.ResponseWriter, r *http.Request, names ...string) (map[string]string, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, formMax))
	if err != nil {
		return nil, errQuery
	}
	return readPairs(string(body), names...)
}
