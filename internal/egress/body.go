package egress

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"
)

// Errors of a Body. Describe knows them.
var (
	ErrTooLarge = errors.New("answer is larger than allowed")
	errIdle     = errors.New("the next bytes did not come in time")
)

// Body reads an answer: at most limit bytes, and no single read lasts longer
// than idle. The time its reader takes between reads does not count.
type Body struct {
	body   io.ReadCloser
	cancel context.CancelFunc
	idle   time.Duration
	timer  *time.Timer
	late   atomic.Bool
	left   int64
}

// NewBody wraps the body of an answer whose request cancel ends; Close calls it.
// A body of exactly limit bytes is whole, of one more gives ErrTooLarge.
func NewBody(body io.ReadCloser, cancel context.CancelFunc, limit int64, idle time.Duration) *Body {
	b := &Body{body: body, cancel: cancel, idle: idle, left: limit}
	b.timer = time.AfterFunc(idle, func() { b.late.Store(true); cancel() })
	b.timer.Stop()
	return b
}

// Read implements io.Reader. It is not safe for concurrent use.
func (b *Body) Read(p []byte) (int, error) {
	if b.late.Load() {
		return 0, errIdle
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	b.timer.Reset(b.idle)
	n, err := b.body.Read(p)
	b.timer.Stop()
	if int64(n) > b.left {
		n, b.left = int(b.left), 0
		return n, ErrTooLarge
	}
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) && b.late.Load() {
		err = errIdle
	}
	return n, err
}

// Close gives the connection up when the body was not read to its end.
func (b *Body) Close() error {
	b.timer.Stop()
	b.cancel()
	return b.body.Close()
}
