package arch

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// notConnectors are the folders of connectors that hold none.
var notConnectors = []string{"all", "internal", "connectortest"}

// onlyDevices are those that have message gateways alone: no channel, and nothing
// that the kit of chats could ask of them.
var onlyDevices = []string{"email"}

func connectorNames(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, "connectors"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && !slices.Contains(notConnectors, e.Name()) {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		t.Fatal("no connector found: the test looks in the wrong place")
	}
	return names
}

// TestConnectorFolders: whoever knows one connector finds their way in all. A
// large one has more files than these.
func TestConnectorFolders(t *testing.T) {
	files := goFiles(t)
	for _, name := range connectorNames(t) {
		var have []string
		tests := 0
		for _, f := range files {
			switch {
			case f.dir() != "connectors/"+name:
			case f.isTest():
				tests++
			default:
				have = append(have, path.Base(f.name))
			}
		}
		for _, want := range []string{"doc.go", name + ".go", "inbound.go", "outbound.go", "wire.go"} {
			if want == "wire.go" && slices.Contains(onlyDevices, name) {
				continue // what they speak is their libraries'
			}
			if !slices.Contains(have, want) {
				t.Errorf("connectors/%s has no %s, but %q", name, want, have)
			}
		}
		if tests == 0 {
			t.Errorf("connectors/%s has no tests", name)
		}
	}
}

// TestConnectorIsAnnounced: besides its folder a connector touches three
// lines, and none of them may be forgotten.
func TestConnectorIsAnnounced(t *testing.T) {
	var all []string
	for _, f := range goFiles(t) {
		if f.dir() == "connectors/all" {
			all = append(all, f.ours()...)
		}
	}
	example := read(t, "config/example.yaml")
	changelog := strings.ToLower(read(t, "CHANGELOG.md"))
	for _, name := range connectorNames(t) {
		if !slices.Contains(all, "connectors/"+name) {
			t.Errorf("connectors/all does not compile %s in", name)
		}
		if !slices.Contains(onlyDevices, name) && !strings.Contains(example, "network: "+name) {
			t.Errorf("config/example.yaml has no channel with network: %s", name)
		}
		if !strings.Contains(changelog, name) {
			t.Errorf("CHANGELOG.md does not mention %s", name)
		}
	}
}

// simulatorOf is the simulator's folder: one for all networks of a provider.
func simulatorOf(connector string) string {
	switch connector {
	case "whatsapp", "sms":
		return "twilio"
	case "facebook":
		return "graph"
	}
	return connector
}

// TestConnectorRunsTheKit: the conformance kit is only worth something for those
// who run it, against a simulator that somebody wrote to the documentation.
func TestConnectorRunsTheKit(t *testing.T) {
	files := goFiles(t)
	for _, name := range connectorNames(t) {
		if slices.Contains(onlyDevices, name) {
			continue
		}
		i := slices.IndexFunc(files, func(f sourceFile) bool { return f.name == "test/conformance/"+name+"_test.go" })
		if i < 0 {
			t.Errorf("test/conformance has no %s_test.go", name)
			continue
		}
		for _, needed := range []string{"connectors/" + name, "connectors/connectortest", "test/netsim/" + simulatorOf(name)} {
			if !slices.Contains(files[i].ours(), needed) {
				t.Errorf("%s does not use %s", files[i].name, needed)
			}
		}
	}
}
