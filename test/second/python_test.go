//go:build second

package second

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
)

// interpreter is the Python that has the msgpack library.
func interpreter(t testing.TB) string {
	t.Helper()
	python := os.Getenv("PYTHON")
	if python == "" {
		t.Fatal("PYTHON names no interpreter: use make second")
	}
	return python
}

// python is the second implementation, started once per test.
type python struct {
	t    testing.TB
	in   *json.Encoder
	out  *bufio.Scanner
	done int
}

// reading is what it made of a frame.
type reading struct {
	Verdict string // taken, skip or close
	Member  string // of a skip: which value was wrong
	Behind  bool   // the frame behind it could be read
	Code    string
	Payload json.RawMessage
	Ask     string
	More    bool
	Again   map[string]string // the packet's frame in each encoding, in hex
}

func startPython(t testing.TB) *python {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), interpreter(t), "second.py")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	p := &python{t: t, in: json.NewEncoder(in), out: bufio.NewScanner(out)}
	p.out.Buffer(nil, 64<<20)
	return p
}

// ask gives it a task and reads the answer.
func (p *python) ask(task map[string]any, answer any) {
	p.t.Helper()
	if err := p.in.Encode(task); err != nil {
		p.t.Fatalf("after %d tasks: %v", p.done, err)
	}
	if !p.out.Scan() {
		p.t.Fatalf("no answer to %v: %v", task, p.out.Err())
	}
	if err := json.Unmarshal(p.out.Bytes(), answer); err != nil {
		p.t.Fatalf("%q: %v", p.out.Text(), err)
	}
	p.done++
}

func (p *python) read(frame []byte) reading {
	p.t.Helper()
	var r reading
	p.ask(map[string]any{"frame": hex.EncodeToString(frame)}, &r)
	return r
}

// write returns the frame it makes of a packet.
func (p *python) write(v vector, encoding string) []byte {
	p.t.Helper()
	var made struct{ Frame string }
	p.ask(map[string]any{
		"code": v.Code, "fields": v.Fields, "ask": v.Extras.Ask, "more": v.Extras.More, "encoding": encoding,
	}, &made)
	return unhex(p.t, made.Frame)
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
