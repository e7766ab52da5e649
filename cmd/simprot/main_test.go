package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"servicelink/simprot"
)

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want int
		says string
	}{
		{"nothing", nil, exitUsage, "a command is missing"},
		{"unknown command", []string{"show"}, exitUsage, "show"},
		{"help", []string{"dump", "--help"}, exitFine, ""},
		{"version", []string{"version"}, exitFine, ""},
		{"no input", []string{"dump"}, exitUsage, "neither"},
		{"two inputs", []string{"dump", "-", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:1"}, exitUsage, "either"},
		{"half a proxy", []string{"dump", "--listen", "127.0.0.1:0"}, exitUsage, "to"},
		{"half a certificate", []string{"dump", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:1", "--tls-cert", "x"}, exitUsage, "tls-key"},
		{"recording a file", []string{"dump", "-", "--write", "x"}, exitUsage, "--listen"},
		{"pattern", []string{"dump", "-", "--code", "["}, exitUsage, "--code"},
		{"frame limit", []string{"dump", "-", "--max-frame", "0"}, exitUsage, "--max-frame"},
		{"no such file", []string{"dump", "/nowhere/at/all"}, exitFailed, "/nowhere/at/all"},
		{"no such certificate", []string{"dump", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:1", "--core-ca", "/nowhere"}, exitFailed, "--core-ca"},
		{"core's address", []string{"dump", "--listen", "127.0.0.1:0", "--to", "nowhere"}, exitFailed, "--to"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if got := execute(t.Context(), tt.args, strings.NewReader(""), &stdout, &stderr); got != tt.want {
				t.Errorf("exit code %d, want %d: %s", got, tt.want, &stderr)
			}
			if !strings.Contains(stderr.String(), tt.says) {
				t.Errorf("says %q, want something of %q", &stderr, tt.says)
			}
		})
	}
}

func TestFilters(t *testing.T) {
	stream := frames(t, "chat.json", "request", "request-minimal", "sentence", "sentence-echo", "list")
	stream = append(stream, frames(t, "hostile.json", "code-unknown", "text-is-map")...)
	const id = "telegram:123456789"
	for _, tt := range []struct {
		name  string
		flags []string
		want  string
	}{
		{"code", []string{"--code", "ES_CHAT_SENTENCE"}, "ES_CHAT_SENTENCE"},
		{"codes", []string{"--code", "ES_CHAT_SENTENCE", "--code", "SE_CHAT_LIST"}, "ES_CHAT_SENTENCE SE_CHAT_LIST"},
		{"unknown code", []string{"--code", "ES_CHAT_SOME*"}, "ES_CHAT_SOMETHING"},
		{"port", []string{"--port", "telegram-support", "--code", "ES_*"}, "ES_CHAT_REQUEST ES_CHAT_SENTENCE ES_CHAT_SOMETHING"},
		{"conversation", []string{"--conversation", id, "--code", "??_CHAT_[RL]*"}, "ES_CHAT_REQUEST SE_CHAT_LIST"},
		{"hash", []string{"--conversation", simprot.LogID(id), "--code", "??_CHAT_[RL]*"}, "ES_CHAT_REQUEST SE_CHAT_LIST"},
		{"other", []string{"--conversation", simprot.LogID("1|omnichannel"), "--code", "ES_CHAT_R*"}, "ES_CHAT_REQUEST"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var codes []string
			for line := range strings.Lines(dumpFine(t, stream, tt.flags...)) {
				codes = append(codes, strings.Fields(line)[3])
			}
			if got := strings.Join(codes, " "); got != tt.want {
				t.Errorf("shows %s, want %s", got, tt.want)
			}
		})
	}
	// What cannot be read is shown: it may be what is looked for.
	if out := dumpFine(t, stream, "--conversation", id); !strings.Contains(out, "fault=") {
		t.Errorf("a filter hides faults:\n%s", out)
	}
}

func TestFileAndWarning(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bytes")
	if err := os.WriteFile(file, frames(t, "chat.json", "sentence"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := execute(t.Context(), []string{"dump", file, "--unmask"}, nil, &stdout, &stderr); code != exitFine {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	if !strings.Contains(stderr.String(), "warning") || !strings.Contains(stderr.String(), "1 packets") {
		t.Errorf("says %q", &stderr)
	}
	if !strings.Contains(stdout.String(), "telegram:123456789") {
		t.Errorf("masks all the same:\n%s", &stdout)
	}
}

// TestTerminal: what comes from the other side stays text on a terminal.
func TestTerminal(t *testing.T) {
	evil := "a\x1b[2J\u009b1m\n\u202e\"=b"
	frame, err := simprot.AppendFrame(nil, simprot.Packet{
		Code:    simprot.CodeChatSentenceIn,
		Payload: &simprot.ChatSentenceInfo{Port: evil, ID: evil, TrackingId: evil, Text: evil},
		Extras:  simprot.Extras{Ask: evil},
	}, simprot.EncodingMsgpack)
	if err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{nil, {"--unmask"}, {"--unmask", "--json"}} {
		out := dumpFine(t, frame, flags...)
		if strings.ContainsAny(strings.TrimSuffix(out, "\n"), "\x1b\u009b\u202e") {
			t.Errorf("%v writes %q", flags, out)
		}
	}
}

// TestIDsAndTraces: an ID that names the customer is shown as logs show it, and
// of the trace's context only what is one.
func TestIDsAndTraces(t *testing.T) {
	const number = "491701234567"
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	sentence := &simprot.ChatSentenceInfo{TrackingId: number + "|whatsapp", ID: "whatsapp:" + number + ":msg:7"}
	var stream []byte
	for _, p := range []simprot.Packet{
		{Code: simprot.CodeChatSentenceIn, Payload: sentence, Extras: simprot.Extras{TraceParent: trace}},
		{
			Code: simprot.CodeChatStatus, Extras: simprot.Extras{TraceParent: "of " + number},
			Payload: &simprot.ChatStatusInfo{TrackingId: sentence.TrackingId, Sentences: []*simprot.ChatSentenceInfo{{ID: sentence.ID}}},
		},
	} {
		var err error
		if stream, err = simprot.AppendFrame(stream, p, simprot.EncodingMsgpack); err != nil {
			t.Fatal(err)
		}
	}
	out := dumpFine(t, stream, "--full")
	if strings.Contains(out, number) || strings.Count(out, trace) != 1 || strings.Count(out, ":msg:7") != 3 {
		t.Errorf("shows\n%s", out)
	}
	if out := dumpFine(t, stream, "--unmask"); strings.Count(out, sentence.ID) != 3 {
		t.Errorf("masks all the same:\n%s", out)
	}
}
