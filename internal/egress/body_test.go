package egress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"servicelink/connectors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBodyLimit(t *testing.T) {
	for name, tc := range map[string]struct {
		length, limit int
		want          error
	}{
		"below":    {9, 10, nil},
		"at it":    {10, 10, nil},
		"above":    {11, 10, ErrTooLarge},
		"far more": {1 << 20, 10, ErrTooLarge},
		"empty":    {0, 10, nil},
		"none":     {1, 0, ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Repeat("x", tc.length)
			for reader, r := range map[string]io.Reader{
				"whole": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text)),
				"end with the last bytes": iotest.DataErrReader(strings.NewReader(text)),
			} {
				b := NewBody(io.NopCloser(r), func() {}, int64(tc.limit), time.Minute)
				got, err := io.ReadAll(b)
				if !errors.Is(err, tc.want) || len(got) != min(tc.length, tc.limit) {
					t.Errorf("%s: %d bytes, %v; want %v", reader, len(got), err, tc.want)
				}
				if err := b.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// dripping gives a byte each time, after a pause that ctx ends.
type dripping struct {
	ctx   context.Context //nolint:containedctx // as a request's body has it
	pause time.Duration
	left  int
}

func (d *dripping) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	select {
	case <-time.After(d.pause):
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
	d.left--
	p[0] = 'x'
	return 1, nil
}

func (d *dripping) Close() error { return nil }

// TestBodyIdle: slow is fine for as long as something comes; silence is not, and
// neither is the reader's own slowness held against the sender.
func TestBodyIdle(t *testing.T) {
	for name, tc := range map[string]struct {
		pause, reader time.Duration
		late          bool
	}{
		"slow":            {9 * time.Second, 0, false},
		"silent":          {11 * time.Second, 0, true},
		"a slow reader":   {time.Second, time.Minute, false},
		"silent for good": {time.Hour, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				b := NewBody(&dripping{ctx, tc.pause, 20}, cancel, 100, 10*time.Second)
				var got bytes.Buffer
				var err error
				for err == nil {
					var piece [4]byte
					var n int
					n, err = b.Read(piece[:])
					got.Write(piece[:n])
					time.Sleep(tc.reader)
				}
				if tc.late != errors.Is(err, errIdle) || !tc.late && got.Len() != 20 {
					t.Errorf("%d bytes, %v", got.Len(), err)
				}
				if reason, _ := Describe(err); tc.late && reason != connectors.ReasonTimeout {
					t.Errorf("reason %q", reason)
				}
				if err := b.Close(); err != nil || ctx.Err() == nil {
					t.Errorf("closed: %v, request over: %v", err, ctx.Err())
				}
			})
		})
	}
}

// TestBodyClose: Close ends a Read that waits.
func TestBodyClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := NewBody(&dripping{ctx, time.Hour, 1}, cancel, 100, 2*time.Hour)
		read := make(chan error, 1)
		go func() { _, err := b.Read(make([]byte, 1)); read <- err }()
		synctest.Wait()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := <-read; !errors.Is(err, context.Canceled) {
			t.Errorf("Read: %v", err)
		}
	})
}
