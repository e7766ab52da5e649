package httpx

import (
	"context"
	"errors"

	"servicelink/connectors"
	"servicelink/internal/egress"
)

// cause is a fixed text, see egress.Describe.
type cause string

func (c cause) Error() string { return string(c) }

// failure turns the transport's error into what is known about the request.
// ctx is the caller's, without the client's own time limit.
func failure(ctx context.Context, err error, p *progress) *connectors.SendError {
	outcome := connectors.NotSent
	if p.left.Load() {
		outcome = connectors.Unknown
	}
	reason, text := egress.Describe(err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		reason, text = connectors.ReasonCanceled, "stopped by the gateway"
	case reason == connectors.ReasonForbidden:
		return &connectors.SendError{
			Outcome: connectors.NotSent, Reason: reason, Err: cause(text), Hint: egress.HintRefused,
		}
	case reason != "":
	case p.answered.Load():
		reason, text = connectors.ReasonAnswer, "answer is not HTTP"
	default:
		reason = connectors.ReasonCut
	}
	if outcome == connectors.NotSent && reason != connectors.ReasonCanceled {
		reason = connectors.ReasonConnect // the text says how it failed
	}
	return &connectors.SendError{Outcome: outcome, Reason: reason, Err: cause(text)}
}

func bug(text string) *connectors.SendError {
	return &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonBug, Err: cause(text)}
}
