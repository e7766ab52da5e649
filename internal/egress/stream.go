package egress

import (
	"context"
	"net/http"
	"time"
)

// Limits bound one answer that is read as it comes.
type Limits struct {
	Header time.Duration // from the call to the answer's header
	Idle   time.Duration // longest wait for the next bytes of the body
	Bytes  int64         // of the body, after decompression
}

// Stream makes a request and returns when the header of the answer is there. The
// answer's Body is a *Body; whoever has it closes it. The request's context
// bounds the reading too.
func Stream(client *http.Client, req *http.Request, l Limits) (*http.Response, error) {
	outer := req.Context()
	ctx, cancel := context.WithCancel(outer)
	late := time.AfterFunc(l.Header, cancel)
	answer, err := client.Do(req.WithContext(ctx))
	if !late.Stop() && outer.Err() == nil {
		if err == nil { // the header came in the very moment of the time-out
			_ = answer.Body.Close()
		}
		return nil, context.DeadlineExceeded
	}
	if err != nil {
		cancel()
		return nil, err
	}
	answer.Body = NewBody(answer.Body, cancel, l.Bytes, l.Idle)
	return answer, nil
}
