package simprot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipeConn returns a Conn over a pipe and the pipe's other end.
func pipeConn(t *testing.T) (*Conn, net.Conn) {
	near, far := net.Pipe()
	c := newConn(near, EncodingMsgpack, 0)
	t.Cleanup(func() { _ = far.Close(); _ = c.finish(ErrClosed) })
	return c, far
}

func typing(id string) Packet {
	return Packet{Code: CodeChatTypingIn, Payload: &ChatCommandInfo{TrackingId: id}}
}

// bulky is a packet whose frame is a little longer than size.
func bulky(size int) Packet {
	return Packet{Code: CodeChatSentenceIn, Payload: &ChatSentenceInfo{Text: strings.Repeat("x", size)}}
}

func TestFramesArriveInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pipeConn(t)
		var written events
		for i := range 100 {
			err := c.Send(typing(fmt.Sprint(i)), func(time.Time) { written.add("%d", i) })
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := written.all(); len(got) != 0 {
			t.Errorf("written before anybody read: %v", got)
		}
		core := newScript(t, far)
		for i := range 100 {
			info, _ := core.want(CodeChatTypingIn).Payload.(*ChatCommandInfo)
			if info.TrackingId != fmt.Sprint(i) {
				t.Fatalf("packet %d is %q", i, info.TrackingId)
			}
		}
		synctest.Wait()
		if got := written.all(); len(got) != 100 || !slices.IsSortedFunc(got, byNumber) {
			t.Errorf("written: %v", got)
		}
	})
}

func byNumber(a, b string) int {
	if d := len(a) - len(b); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}

// written is called when the frame has gone, also in the middle of a batch.
func TestWrittenFollowsTheFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pipeConn(t)
		start := time.Now()
		var written events
		mark := func(name string) func(time.Time) {
			return func(at time.Time) { written.add("%s %v", name, at.Sub(start)) }
		}
		_ = c.Send(typing("first"), nil) // holds the writer while the others come together
		synctest.Wait()
		_ = c.Send(typing("small"), mark("small"))
		_ = c.Send(bulky(3*writeChunk), mark("big"))
		_ = c.Send(typing("last"), mark("last"))
		// Every read of the pipe takes what one write offers, at most.
		buf := make([]byte, writeChunk)
		for range 5 {
			pass(time.Second)
			if _, err := far.Read(buf); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		written.want(t, "small 2s", "big 5s", "last 5s")
	})
}

func TestSendWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pipeConn(t)
		sent := make(chan error, 100)
		go func() {
			for range 20 {
				sent <- c.Send(bulky(1<<20), nil)
			}
			sent <- c.Send(typing("x"), nil)
		}()
		synctest.Wait()
		if got := len(sent); got < 8 || got > 9 {
			t.Errorf("%d MiB are queued while nobody reads", got)
		}
		if err := c.trySend(typing("x"), 0, nil); !errors.Is(err, ErrSlowReader) {
			t.Errorf("trySend: %v", err)
		}
		go func() { _, _ = io.Copy(io.Discard, far) }()
		synctest.Wait()
		if got := len(sent); got != 21 {
			t.Errorf("%d packets are queued after all was read", got)
		}
	})
}

func TestSendersAreFreedByTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := pipeConn(t)
		for range 8 {
			_ = c.Send(bulky(1<<20), nil)
		}
		waiting := later(func() (struct{}, error) { return struct{}{}, c.Send(typing("x"), nil) })
		wantPending(t, waiting)
		cause := errors.New("enough")
		c.Abort(cause)
		c.Abort(errors.New("once more"))
		if got := wantSettled(t, waiting); !errors.Is(got.err, ErrClosed) {
			t.Errorf("got %v", got.err)
		}
		if err := c.Err(); !errors.Is(err, cause) {
			t.Errorf("Err: %v", err)
		}
		<-c.Done()
	})
}

func TestFrameAboveTheOthersLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pipeConn(t)
		c.setMaxFrame(1000)
		called := false
		err := c.Send(bulky(1000), func(time.Time) { called = true })
		if !errors.Is(err, ErrFrameTooLong) {
			t.Errorf("got %v", err)
		}
		if err := c.Send(typing("x"), nil); err != nil {
			t.Fatal(err)
		}
		newScript(t, far).want(CodeChatTypingIn)
		synctest.Wait()
		if called {
			t.Error("written was called for a frame that was refused")
		}
		// Exactly the limit is allowed.
		frame, _ := AppendFrame(nil, typing("x"), EncodingMsgpack)
		c.setMaxFrame(int64(len(frame) - lengthSize))
		if err := c.Send(typing("x"), nil); err != nil {
			t.Errorf("at the limit: %v", err)
		}
		newScript(t, far).want(CodeChatTypingIn)
	})
}

func TestAnnouncedLimits(t *testing.T) {
	var c Conn
	for announced, want := range map[int64]int{
		0: DefaultMaxFrame, -5: DefaultMaxFrame, 100: 100, 1 << 62: MaxReadFrame,
	} {
		if c.setMaxFrame(announced); c.maxFrame != want {
			t.Errorf("%d became %d", announced, c.maxFrame)
		}
	}
}

func TestStalledWriterEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := pipeConn(t)
		var end ending
		go func() { end.set(c.finish(c.read(receive(func(Packet) {})))) }()
		_ = c.Send(typing("x"), nil)
		pass(writeStall - 1)
		if err := end.get(); err != nil {
			t.Fatalf("ended early: %v", err)
		}
		pass(1 + drainWithin)
		if err := end.get(); !isTimeout(err) {
			t.Errorf("ended with %v", err)
		}
	})
}

// deafConn fails every write, as a connection does that the other side reset
// after its farewell.
type deafConn struct{ net.Conn }

var errBroken = errors.New("broken pipe")

func (deafConn) Write([]byte) (int, error) { return 0, errBroken }

// A failed write must not hide the farewell that explains it.
func TestFarewellAfterFailedWrite(t *testing.T) {
	for _, bye := range []bool{true, false} {
		t.Run(fmt.Sprintf("bye=%v", bye), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer far.Close()
				c := newConn(deafConn{near}, EncodingMsgpack, 0)
				s := newSession(&ClientConfig{Observe: noObserver{}, MaxQuestions: 1}, c)
				var end ending
				go func() { end.set(c.finish(c.read(s))) }()
				_ = c.Send(typing("x"), nil)
				synctest.Wait()
				want := errBroken
				if err := c.Send(typing("x"), nil); !errors.Is(err, ErrClosed) {
					t.Errorf("Send after the failure: %v", err)
				}
				if bye {
					newScript(t, far).send(Packet{Code: CodeBye, Payload: &Bye{Reason: ByeReplaced}})
				}
				pass(drainWithin)
				err := end.get()
				var left *ByeError
				if errors.As(err, &left) != bye || !bye && !errors.Is(err, want) {
					t.Errorf("ended with %v", err)
				}
			})
		})
	}
}

func TestSendAllocatesNothing(t *testing.T) {
	near, far := loopback(t)
	c := newConn(near, EncodingMsgpack, 0)
	drained := make(chan struct{})
	go func() { defer close(drained); _, _ = io.Copy(io.Discard, far); _ = far.Close() }()
	t.Cleanup(func() { _ = c.finish(ErrClosed); <-drained })
	p := Packet{Code: CodeChatSentenceIn, Payload: &ChatSentenceInfo{Text: "hello", ID: "1"}}
	window := make(chan struct{}, 64)
	written := func(time.Time) { <-window }
	send := func() {
		window <- struct{}{}
		if err := c.Send(p, written); err != nil {
			t.Fatal(err)
		}
	}
	for range 1000 {
		send()
	}
	if got := testing.AllocsPerRun(10_000, send); got > 0 {
		t.Errorf("%v allocations per frame", got)
	}
}

// Over TCP, Close loses nothing that was queued, and Abort everything unsent.
func TestCloseFlushes(t *testing.T) {
	near, far := loopback(t)
	c := newConn(near, EncodingMsgpack, 0)
	var reader sync.WaitGroup
	reader.Go(func() { _ = c.finish(c.read(receive(func(Packet) {}))) })
	const frames = 2000
	for i := range frames {
		if err := c.Send(bulky(i), nil); err != nil {
			t.Fatal(err)
		}
	}
	closed := later(func() (struct{}, error) { return struct{}{}, c.Close() })
	in := NewFrameReader(far, 0)
	for i := range frames {
		if _, err := in.Next(); err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
	}
	if _, err := in.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("ended with %v, want EOF", err)
	}
	_ = far.Close()
	if got := <-closed; got.err != nil {
		t.Errorf("Close: %v", got.err)
	}
	reader.Wait()
}

func TestAbortResets(t *testing.T) {
	near, far := loopback(t)
	defer far.Close()
	c := newConn(near, EncodingMsgpack, 0)
	c.Abort(errBroken)
	_, err := far.Read(make([]byte, 1))
	if err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the other end read %v, want a reset", err)
	}
	<-c.writerEnd
}

// What a peer says in one write arrives whole and in order, whatever is bad
// about some of it.
func TestBadFramesAreSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := newConn(near, EncodingMsgpack, 100)
		var got recorder
		var end ending
		go func() { end.set(c.finish(c.read(&got))) }()
		var stream []byte
		add := func(body ...byte) {
			stream = append(stream, 0, 0, byte(len(body)>>8), byte(len(body)))
			stream = append(stream, body...)
		}
		frame := func(p Packet) {
			stream, _ = AppendFrame(stream, p, EncodingMsgpack)
		}
		frame(typing("1"))
		add(append([]byte{0x92, 0xa7}, "ES_WHAT\xc0"...)...)          // unknown code
		add(append([]byte{0x92, 0xb0}, "SE_CHAT_SENTENCE\x07"...)...) // a number for a class
		add(bytes.Repeat([]byte{0xc0}, 101)...)                       // above the limit
		frame(typing("2"))
		go func() { _, _ = far.Write(stream); _, _ = far.Write([]byte{0, 0, 0, 1, 0xc0}) }()
		pass(time.Second)
		want := []string{
			"1", "*simprot.UnknownCodeError", "*simprot.DecodeError",
			"*simprot.OversizeError", "2",
		}
		if !slices.Equal(got.got, want) {
			t.Errorf("got %v, want %v", got.got, want)
		}
		var broken *FrameError
		if err := end.get(); !errors.As(err, &broken) {
			t.Errorf("a frame that is no array ended with %v", err)
		}
		_ = far.Close()
	})
}

// recorder is a receiver that keeps what it gets, in order.
type recorder struct{ got []string }

func (r *recorder) packet(p Packet, _ int) error {
	if c, ok := p.Payload.(*ChatCommandInfo); ok {
		r.got = append(r.got, c.TrackingId)
	}
	return nil
}

func (r *recorder) bad(err error) { r.got = append(r.got, fmt.Sprintf("%T", err)) }
