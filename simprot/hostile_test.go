package simprot

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// hostileStreams are streams no honest side writes. first is what makes the
// victim listen.
func hostileStreams(first []byte) map[string][]byte {
	framed := func(body []byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	}
	sentence, _ := AppendFrame(nil, Packet{Code: CodeChatStatus, Payload: &ChatStatusInfo{
		Port: "p", TrackingId: "x", Sentences: []*ChatSentenceInfo{{ID: "1", Text: "hello"}},
	}, Extras: Extras{Ask: "r-1", More: true}}, EncodingMsgpack)
	sending, _ := AppendFrame(nil, Packet{Code: CodeMessageOut, Payload: &MessageContentInfo{
		MessageId: &testMessage, GatewayId: testGateway, ExtendedFields: `{"To":["a@b.example"]}`, BodyText: "hello",
	}}, EncodingMsgpack)
	register, _ := AppendFrame(nil, Packet{Code: CodeGateways, Payload: GatewayList{
		{Id: testGateway, Device: "ImapHost {}", Direction: DirectionIn},
	}, Extras: Extras{Ask: "r-1"}}, EncodingJSON)
	samples := [][]byte{sentence, sending, register}
	streams := map[string][]byte{
		"length of 4 GiB":     {0xff, 0xff, 0xff, 0xff, 0x92},
		"length of 256 MiB":   {0x10, 0, 0, 0, 0x92},
		"length 0":            {0, 0, 0, 0},
		"text":                []byte("GET / HTTP/1.1\r\nHost: core\r\n\r\n"),
		"zeros":               make([]byte, 1<<16),
		"ones":                bytes.Repeat([]byte{0xff}, 1<<16),
		"an array of 2^32":    framed([]byte{0xdd, 0xff, 0xff, 0xff, 0xff}),
		"deep nesting":        framed(bytes.Repeat([]byte{0x91}, 1<<16)),
		"deep maps":           framed(append([]byte{0x92, 0xa1, 'X'}, bytes.Repeat([]byte{0x81, 0xa1, 'k'}, 1<<14)...)),
		"a string of 4 GiB":   framed([]byte{0x92, 0xdb, 0xff, 0xff, 0xff, 0xff}),
		"many empty answers":  bytes.Repeat(framed(append([]byte{0x92, 0xac}, "SE_CHAT_LIST\x90"...)), 1000),
		"many codes":          bytes.Repeat(framed([]byte{0x92, 0xa1, 'X', 0xc0}), 1000),
		"half a frame":        sentence[:len(sentence)/2],
		"half a length":       {0, 0},
		"a frame cut by one":  sentence[:len(sentence)-1],
		"a frame and garbage": append(bytes.Clone(sentence), 0xc1, 0xc1, 0xc1, 0xc1, 0xc1),
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same every time
	for i := range 300 {
		mutant := bytes.Clone(samples[i%len(samples)])
		for range 1 + random.IntN(4) {
			mutant[random.IntN(len(mutant))] = byte(random.Uint32())
		}
		streams["mutant "+string(rune('A'+i))] = mutant
	}
	for name, stream := range streams {
		streams[name] = append(bytes.Clone(first), stream...)
	}
	return streams
}

// A hostile core can end a connection, never the client.
func TestHostileCore(t *testing.T) {
	for _, asks := range []bool{true, false} {
		welcome, err := AppendFrame(nil, Packet{Code: CodeWelcome, Payload: &Welcome{Asks: asks}}, EncodingMsgpack)
		if err != nil {
			t.Fatal(err)
		}
		streams := hostileStreams(welcome)
		for name, stream := range hostileStreams(nil) {
			streams["instead of a welcome: "+name] = stream
		}
		bubble(t, func(t *testing.T, n *pipeNet, e *events) {
			cfg := testConfig(n, e)
			cfg.MinBackoff, cfg.MaxBackoff, cfg.Settle = 1, 1, 1
			asked := make(chan error, 2*len(streams)+2)
			cfg.OnUp = func(s *Session) {
				go func() {
					_, err := s.Status(context.Background(), &ChatStatusInfo{Port: "p", TrackingId: "x"})
					asked <- err
				}()
				go func() {
					_, err := s.Resync(context.Background(), "p", nil)
					asked <- err
				}()
			}
			client := runClient(t, cfg)
			for name, stream := range streams {
				attack(t, name, accept(t, n), stream)
			}
			core := accept(t, n)
			core.welcome(Welcome{Server: "honest"})
			core.read()
			synctest.Wait()
			if s := client.Session(); s == nil || s.Welcome().Server != "honest" {
				t.Fatal("the client does not come back")
			}
			if got, want := len(asked), 2*e.count("question ES_CHAT_STATUS"); got == 0 || want == 0 {
				t.Errorf("%d questions were settled", got)
			}
		})
	}
}

// attack writes a stream, reads whatever comes back, and closes.
func attack(t *testing.T, name string, s *script, stream []byte) {
	t.Helper()
	go func() { _, _ = io.Copy(io.Discard, s.nc) }()
	if err := s.nc.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	_, _ = s.nc.Write(stream)
	synctest.Wait()
	_ = s.nc.Close()
}

// A hostile gateway can end its connection, and harms no other.
func TestHostileGateway(t *testing.T) {
	login, err := AppendFrame(nil, Packet{Code: CodeLogin, Payload: &Login{Version: Version, Instance: "bad"}}, EncodingMsgpack)
	if err != nil {
		t.Fatal(err)
	}
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		cfg := openServer(e)
		cfg.OnPacket = echoCore
		runServer(t, n, cfg)
		honest := dialScript(t, n)
		honest.login("good")
		for _, first := range [][]byte{nil, login} {
			for name, stream := range hostileStreams(first) {
				attack(t, name, dialScript(t, n), stream)
				honest.send(Packet{Code: CodeChatSentenceIn, Payload: &ChatSentenceInfo{ID: name}})
				if echo, _ := honest.want(CodeChatSentence).Payload.(*ChatSentenceInfo); echo.ID != name {
					t.Fatalf("%s: echo of %q", name, echo.ID)
				}
			}
		}
		synctest.Wait()
		if logins, closes := e.count("login"), e.count("close"); logins < 300 || logins != closes+1 {
			t.Errorf("%d logins, %d closes", logins, closes)
		}
	})
}

// FuzzSession reads any bytes as what a core says while questions are out.
func FuzzSession(f *testing.F) {
	for _, stream := range hostileStreams(nil) {
		f.Add(stream, true)
		f.Add(stream, false)
	}
	f.Fuzz(func(t *testing.T, stream []byte, asks bool) {
		if len(stream) > 1<<16 {
			return
		}
		near, far := net.Pipe()
		c := newConn(near, EncodingMsgpack, 4096)
		s := newSession(&ClientConfig{
			Observe: noObserver{}, MaxQuestions: 32, AskTimeout: time.Hour, OnPacket: func(*Session, Packet) {},
		}, c)
		s.book.asks, s.book.prefix = asks, "r-"
		ask := []*attempt{
			{answer: CodeChatStatus, port: "p", about: "x"},
			{answer: CodeChatList, port: "p"},
			{answer: CodeChatResponse, port: "p", about: "x"},
			{answer: CodeRouting},
			{answer: CodeLiterals},
			{answer: CodeGateways},
			{answer: CodeScenarioModel, about: testForm.String()},
		}
		for _, a := range ask {
			s.book.open(a)
		}
		go func() { _, _ = io.Copy(io.Discard, far) }()
		go func() { _, _ = far.Write(stream); _ = far.Close() }()
		if err := c.finish(c.read(s)); err == nil {
			t.Error("ended without a reason")
		}
		s.book.close()
		for i, a := range ask {
			select {
			case <-a.done:
			default:
				t.Errorf("question %d is left over", i)
			}
			if a.outcome == QuestionAnswered && a.payload == nil {
				t.Errorf("question %d was answered by nothing", i)
			}
		}
	})
}
