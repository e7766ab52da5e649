package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/*.golden from what dump shows")

// shownVectors are one of each kind; a golden file of all would change with
// every vector that is added.
func shownVectors(t testing.TB) []byte {
	stream := frames(t, "session.json", "login", "welcome", "refused-version", "ping", "bye-restart")
	stream = append(stream, frames(t, "chat.json", "request", "response-closed", "start-everything", "status-answer",
		"status-answer-unknown", "status-ask-after", "sentence", "sentence-echo", "sentence-everything", "typing-true",
		"confirm", "resync", "list-more")...)
	stream = append(stream, frames(t, "messages.json", "gateways-ask", "gateways", "receiving-reply", "received", "received-false",
		"sending-many", "sent", "sent-error")...)
	return append(stream, frames(t, "hostile.json", "code-unknown", "text-is-map", "deep-arrays", "length-above-all")...)
}

func TestGolden(t *testing.T) {
	for name, flags := range map[string][]string{
		"lines":  nil,
		"json":   {"--json"},
		"full":   {"--full"},
		"unmask": {"--unmask", "--code", "ES_CHAT_S*", "--code", "SP_*"},
		"object": {"--json", "--full", "--code", "SE_CHAT_STATUS"},
	} {
		t.Run(name, func(t *testing.T) {
			got := dumpFine(t, shownVectors(t), flags...)
			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
			for i := range max(len(gotLines), len(wantLines)) {
				if i >= len(gotLines) || i >= len(wantLines) || gotLines[i] != wantLines[i] {
					t.Fatalf("line %d:\n got %q\nwant %q", i+1, gotLines[min(i, len(gotLines)-1)], wantLines[min(i, len(wantLines)-1)])
				}
			}
		})
	}
}

// TestMasked: of no vector there is, in either encoding, is a text seen that is
// not meant to be. A class that is added to the protocol is checked as well.
func TestMasked(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(vectorFolder, "*.json"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%v, %v", files, err)
	}
	checked := 0
	for _, file := range files {
		for _, v := range vectors(t, filepath.Base(file)) {
			var fields any
			if len(v.Fields) > 0 {
				if err := json.Unmarshal(v.Fields, &fields); err != nil {
					t.Fatal(err)
				}
			}
			hidden := map[string]bool{}
			private("", fields, hidden)
			for _, frame := range []string{v.Msgpack, v.JSON, v.Frame} {
				for _, flags := range [][]string{{"--full"}, {"--full", "--json"}} {
					out := dumpFine(t, unhex(t, frame), flags...)
					for text := range hidden {
						checked++
						if strings.Contains(out, text) {
							t.Errorf("%s: %q is shown:\n%s", v.Name, text, out)
						}
					}
				}
			}
		}
	}
	if checked < 500 {
		t.Errorf("only %d texts checked", checked)
	}
}

// data is a GUID or a time.
var data = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-|^\d{4}-\d\d-\d\d[T ]`)

// private collects the texts that must not be shown. Short ones may stand in a
// name or a number.
func private(name string, value any, hidden map[string]bool) {
	switch v := value.(type) {
	case map[string]any:
		for key, one := range v {
			private(key, one, hidden)
		}
		for text := range hidden { // the value of one member is in the name of another
			for key := range v {
				if strings.Contains(key, text) {
					delete(hidden, text)
				}
			}
		}
	case []any:
		for _, one := range v {
			private(name, one, hidden)
		}
	case string:
		if !plainMembers[name] && !data.MatchString(v) && len(v) > 5 {
			hidden[v] = true
		}
	}
}

// TestSecretsStayMasked, whatever is asked for.
func TestSecretsStayMasked(t *testing.T) {
	const secret = "an example, not a secret" // of the vector
	stream := frames(t, "session.json", "login")
	for _, flags := range [][]string{{"--unmask"}, {"--unmask", "--json"}, {"--full"}} {
		out := dumpFine(t, stream, flags...)
		if strings.Contains(out, secret) || !strings.Contains(out, "Secret") {
			t.Errorf("%v: %s", flags, out)
		}
	}
}
