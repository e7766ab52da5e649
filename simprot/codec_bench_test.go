package simprot

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/vmihailenco/msgpack/v5"
)

// plainSentence is ChatSentenceInfo as reflection would have it, to compare
// the hand-written codec with.
type plainSentence struct {
	Peer, Port, TrackingId string
	ChatId                 string
	ID, PartyName, Text    string
	TimeSent               time.Time
	IsOutbound             bool
	Counter                int32
	ConfirmedTime          *time.Time
	Model                  int32
}

// benchSentence has all 12 members, about 325 bytes in MessagePack.
func benchSentence() *ChatSentenceInfo {
	confirmed := time.Date(2026, 11, 22, 7, 36, 42, 0, time.UTC)
	return &ChatSentenceInfo{
		Peer:          "@servicelink",
		Port:          "telegram-support",
		TrackingId:    "telegram:123456789",
		ChatId:        uuid.MustParse("0f8fad5b-d9cb-469f-a165-70867728950e"),
		ID:            "telegram:bot1:msg:4711:0",
		PartyName:     "Jana Nováková",
		Text:          "Dobrý den, chtěla bych se zeptat, kdy mi přijde objednávka číslo 2026-00871. Děkuji!",
		TimeSent:      time.Date(2026, 11, 22, 7, 36, 41, 123456700, time.UTC),
		IsOutbound:    true,
		Counter:       17,
		ConfirmedTime: &confirmed,
		Model:         ModelTechNote,
	}
}

func benchPlain() *plainSentence {
	s := benchSentence()
	return &plainSentence{
		Peer: s.Peer, Port: s.Port, TrackingId: s.TrackingId, ChatId: s.ChatId.String(), ID: s.ID,
		PartyName: s.PartyName, Text: s.Text, TimeSent: s.TimeSent, IsOutbound: s.IsOutbound,
		Counter: s.Counter, ConfirmedTime: s.ConfirmedTime, Model: int32(s.Model),
	}
}

// hotVectors are the packets of every sentence. test/bench/msgp has generated
// code for the same, and bench sets both side by side.
var hotVectors = []string{"sentence-everything", "sentence-echo", "confirm-in", "status-answer"}

// hotPackets returns them as packets, without extras.
func hotPackets(b *testing.B) map[string]Packet {
	b.Helper()
	packets := map[string]Packet{}
	for _, v := range readVectors[packetVector](b, "chat.json") {
		if slices.Contains(hotVectors, v.Name) {
			packets[v.Name] = packetOf(b, v.Code, v.Fields, nil)
		}
	}
	if len(packets) != len(hotVectors) {
		b.Fatalf("found %d vectors of %d", len(packets), len(hotVectors))
	}
	return packets
}

func BenchmarkEncode(b *testing.B) {
	packets := hotPackets(b)
	for _, name := range hotVectors {
		for _, enc := range encodings {
			b.Run(name+"/"+enc.String(), func(b *testing.B) {
				b.ReportAllocs()
				packet := packets[name]
				var buf []byte
				for b.Loop() {
					var err error
					if buf, err = AppendFrame(buf[:0], packet, enc); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	packets := hotPackets(b)
	for _, name := range hotVectors {
		for _, enc := range encodings {
			frame, err := AppendFrame(nil, packets[name], enc)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(name+"/"+enc.String(), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := DecodePacket(frame[lengthSize:]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// benchMessage is a mail of 50 kB with more members than a short map holds, and
// letters beyond ASCII in its text, as most have.
func benchMessage() *MessageContentInfo {
	const size = 50_000
	none, spam := SignatureNone, SpamNone
	line, written := "<p>Dobrý den, posílám podklady k objednávce.</p>\r\n", time.Date(2026, 11, 22, 7, 36, 38, 0, time.UTC)
	return &MessageContentInfo{
		DeliverySystemId: "CAF1x@mail.example.com", InReplyToId: "3b241101@shop.example",
		RequestId: "c2b1f0de-3a55-5c0f-8f5e-6d6f0a1b2c3d", GatewayId: uuid.MustParse("6f9619ff-8b86-d011-b42d-00c04fc964ff"),
		FromField: "Jana Nováková <jana@mail.example.com>", RemoteAddress: "jana@mail.example.com",
		ToField: "support@shop.example", ToCcField: "ucto@shop.example", Direction: DirectionIn,
		ExtendedFields: `{"References":["CAF1x@mail.example.com"]}`, ReceivedSentTime: written, DraftTime: &written,
		SubjectField: "Objednávka 2026-00871", BodyHtml: strings.Repeat(line, size/2/len(line)),
		BodyText: strings.Repeat(line, size/2/len(line)), Culture: "cs", SpamLevel: &spam, SignatureValidity: &none,
	}
}

// BenchmarkMessage stands beside those of sentences; its time is that of copying
// and checking the bodies.
func BenchmarkMessage(b *testing.B) {
	packet := Packet{Code: CodeMessageIn, Payload: benchMessage()}
	for _, enc := range encodings {
		frame, err := AppendFrame(nil, packet, enc)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("encode/"+enc.String(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			buf := frame
			for b.Loop() {
				if buf, err = AppendFrame(buf[:0], packet, enc); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("decode/"+enc.String(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				if _, err := DecodePacket(frame[lengthSize:]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReflection is what a sentence costs by reflection.
func BenchmarkReflection(b *testing.B) {
	plain := benchPlain()
	b.Run("encode/msgpack", func(b *testing.B) {
		b.ReportAllocs()
		var out bytes.Buffer
		e := msgpack.NewEncoder(&out)
		e.UseCompactInts(true)
		for b.Loop() {
			out.Reset()
			if err := e.Encode(plain); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(plain); err != nil {
				b.Fatal(err)
			}
		}
	})
	packed, err := msgpack.Marshal(plain)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("decode/msgpack", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := msgpack.Unmarshal(packed, new(plainSentence)); err != nil {
				b.Fatal(err)
			}
		}
	})
	text, err := json.Marshal(plain)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("decode/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := json.Unmarshal(text, new(plainSentence)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkScan(b *testing.B) {
	frame, err := AppendFrame(nil, Packet{Code: CodeChatSentenceIn, Payload: benchSentence()}, EncodingMsgpack)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(frame)))
	for b.Loop() {
		if err := Scan(frame[lengthSize:]); err != nil {
			b.Fatal(err)
		}
	}
}
