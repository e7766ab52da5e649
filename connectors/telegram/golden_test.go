package telegram

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"servicelink/connectors"
)

var rewrite = flag.Bool("update", false, "write what is into the golden files")

// testBot is the bot of every update in testdata.
func testBot() *Connector { return &Connector{channel: "shop-tg", bot: "123456"} }

// golden is one file of testdata/updates: an update, and what comes of it.
type golden struct {
	Update json.RawMessage   `json:"update"`
	Events []json.RawMessage `json:"events"`
	Answer string            `json:"answer,omitempty"` // the callback query to be answered
}

// TestUpdates: every kind of update, with the events it gives. -update writes
// the events anew; look at the difference.
func TestUpdates(t *testing.T) {
	files, err := filepath.Glob("testdata/updates/*.json")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			before, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var g golden
			if err := json.Unmarshal(before, &g); err != nil {
				t.Fatal(err)
			}
			u := testBot().newUpdate(g.Update)
			g.Events = []json.RawMessage{}
			for _, ev := range u.events() {
				g.Events = append(g.Events, eventJSON(t, ev))
			}
			g.Answer = u.query
			after := marshal(t, g)
			if *rewrite {
				if err := os.WriteFile(file, after, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(before), string(after)); diff != "" && !*rewrite {
				t.Error(diff)
			}
		})
	}
}

// eventJSON writes an event without the members that hold nothing.
func eventJSON(t *testing.T, ev connectors.Event) json.RawMessage {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(marshal(t, ev), &members); err != nil {
		t.Fatal(err)
	}
	if ev.SentAt.IsZero() {
		delete(members, "SentAt")
	}
	dropEmpty(members)
	return marshal(t, members)
}

func dropEmpty(members map[string]any) {
	for name, value := range members {
		switch v := value.(type) {
		case nil:
			delete(members, name)
		case string:
			if v == "" {
				delete(members, name)
			}
		case map[string]any:
			dropEmpty(v)
		}
	}
}

// marshal writes JSON for people: indented, without escapes that only pages need.
func marshal(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
