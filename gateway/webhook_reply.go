package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"servicelink/connectors"
)

// errPanic stands for a panic that ended at the border.
var errPanic = errors.New("the connector panicked")

// border turns a panic into errPanic. Its value may hold what a customer wrote,
// so only its type is logged, unless it is the runtime's own.
func (rt *route) border(h *hook, stage string, err *error) {
	v := recover()
	if v == nil {
		return
	}
	*err = errPanic
	what := fmt.Sprintf("%T", v)
	if own, ok := v.(runtime.Error); ok {
		what = own.Error()
	}
	if !rt.panicked.due(time.Now()) {
		return
	}
	rt.public.log.Error("connector panicked", slog.String("channel", h.channel.Name),
		slog.String("network", h.channel.Network), slog.String("path", rt.path.pattern),
		slog.String("stage", stage), slog.String("panic", what), slog.String("stack", string(debug.Stack())))
}

// warn says now and then that calls are refused; the metrics have the numbers.
func (rt *route) warn(ctx context.Context, o *outcome) {
	if rt.warned.due(time.Now()) {
		attrs := []slog.Attr{
			slog.String("path", rt.path.pattern), slog.String("method", rt.method), slog.String("reason", string(o.reason)),
		}
		if o.channel != "" {
			attrs = append(attrs, slog.String("channel", o.channel))
		}
		rt.public.log.LogAttrs(ctx, slog.LevelWarn, "webhook not taken", attrs...)
	}
}

// warnEvery is the shortest time between two log lines of one kind and route:
// callers must not be able to fill the disk.
const warnEvery = 30 * time.Second

// seldom lets one of many callers through per warnEvery; none ever waits.
type seldom struct{ last atomic.Int64 }

func (s *seldom) due(now time.Time) bool {
	last := s.last.Load()
	return (last == 0 || now.Sub(time.Unix(0, last)) >= warnEvery) && s.last.CompareAndSwap(last, now.UnixNano())
}

// Header values shared by all answers; net/http only reads them.
var (
	headerClose   = []string{"close"}
	headerNosniff = []string{"nosniff"}
)

// drainTime is how long the rest of a refused body is taken off the wire.
const drainTime = 500 * time.Millisecond

// answer writes the connector's reply. An answer that would make the network
// forget what was not taken is not written.
func (rt *route) answer(w http.ResponseWriter, o *outcome) {
	reply, err := rt.reply(o)
	if err != nil || reply.Status < 200 || reply.Status > 599 ||
		(o.verdict.Result == connectors.Unavailable && reply.Status < 400) {
		o.reply.channel.Metrics.webhookRefused(string(connectors.ReasonPanic))
		o.broken, o.reason, o.channel = true, connectors.ReasonPanic, o.reply.channel.Name
		reply = connectors.Reply{Status: http.StatusServiceUnavailable}
	}
	h := w.Header()
	h["X-Content-Type-Options"] = headerNosniff
	h["Content-Type"] = nil // not to be guessed
	if reply.ContentType != "" {
		h["Content-Type"] = []string{reply.ContentType}
	}
	if reply.RetryAfter > 0 {
		seconds := (reply.RetryAfter + time.Second - 1) / time.Second
		h["Retry-After"] = []string{strconv.FormatInt(int64(seconds), 10)}
	}
	if o.hangUp {
		h["Connection"] = headerClose
	}
	if o.hangUp && o.reason != connectors.ReasonBody {
		// The caller may still be sending. net/http reads a little of it, so
		// that the answer is not lost in a reset; not for the whole read limit.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(drainTime))
	}
	w.WriteHeader(reply.Status)
	_, _ = io.WriteString(w, reply.Body) // the caller may be gone
}

func (rt *route) reply(o *outcome) (reply connectors.Reply, err error) {
	defer rt.border(o.reply, "reply", &err)
	return o.reply.Reply(o.verdict), nil
}
