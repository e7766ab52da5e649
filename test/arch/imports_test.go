package arch

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// layer says what the packages that match a pattern may import of this
// module. Patterns are as in path.Match, and "/..." at the end stands for the
// folder and everything below it.
type layer struct {
	packages string
	may      []string
}

// layers is the house, first match wins; a package in none is an error, so
// that whoever adds one decides where it belongs.
var layers = []layer{
	// Libraries others could use alone.
	{"config", nil},
	{"simprot", nil},
	{"simprot/corecheck", []string{"simprot"}},
	{"simprot/refcore/...", []string{"simprot", "simprot/refcore/..."}},
	{"simprot/examples/...", []string{"simprot"}},
	// The contract, then what fulfils it. No connector knows another one.
	{"connectors", []string{"config"}},
	// The way out, for connectors (through httpx) and for the engine.
	{"internal/egress", []string{"config", "connectors"}},
	{"connectors/internal/...", []string{"config", "connectors", "connectors/internal/...", "internal/egress"}},
	{"connectors/connectortest", []string{"config", "connectors", "connectors/internal/..."}},
	{"connectors/all", []string{"connectors", "connectors/*"}},
	{"connectors/*", []string{"config", "connectors", "connectors/internal/..."}},
	// The engine knows the contract and the protocol, and no network.
	{"gateway/journal/...", []string{"gateway/journal/..."}},
	{"gateway/...", []string{"config", "connectors", "gateway/...", "internal/egress", "simprot"}},
	// A simulator is written to a network's documentation and knows no code of ours.
	{"test/netsim", []string{"test/netsim/..."}},
	{"test/netsim/*", []string{"test/netsim/control"}},
	// Only commands and tests put everything together.
	{"cmd/...", []string{"..."}},
	{"test/...", []string{"..."}},
	// Programs of the build, a module of their own.
	{"tools/...", nil},
}

// extraForTests is what test files may import beyond their package's layer:
// counterparts and kits.
var extraForTests = map[string][]string{
	"simprot":    {"simprot/refcore/..."},
	"connectors": {"connectors/connectortest", "test/corpus", "test/netsim/..."},
	"gateway":    {"simprot/refcore", "connectors/connectortest", "connectors/*"},
}

func TestImports(t *testing.T) {
	for _, f := range goFiles(t) {
		l, ok := layerOf(f.dir())
		if !ok {
			t.Errorf("%s: package %s is in no layer of test/arch/imports_test.go", f.name, f.dir())
			continue
		}
		may := l.may
		if f.isTest() {
			top, _, _ := strings.Cut(f.dir(), "/")
			may = slices.Concat(may, extraForTests[top], []string{f.dir()})
		}
		for _, imported := range f.ours() {
			if !slices.ContainsFunc(may, func(p string) bool { return matches(p, imported) }) {
				t.Errorf("%s imports %s; %s may import only %q", f.name, imported, l.packages, may)
			}
		}
	}
}

func layerOf(dir string) (layer, bool) {
	for _, l := range layers {
		if matches(l.packages, dir) {
			return l, true
		}
	}
	return layer{}, false
}

func matches(pattern, pkg string) bool {
	if pattern == "..." {
		return true
	}
	if dir, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == dir || strings.HasPrefix(pkg, dir+"/")
	}
	ok, err := path.Match(pattern, pkg)
	return ok && err == nil
}

// TestLayers proves that the table forbids what it is there to forbid.
func TestLayers(t *testing.T) {
	forbidden := map[string][]string{
		"config":                    {"connectors", "simprot"},
		"simprot":                   {"config", "simprot/refcore"},
		"simprot/refcore":           {"gateway", "config"},
		"connectors":                {"gateway", "connectors/omnichannel"},
		"connectors/omnichannel":    {"gateway", "simprot", "connectors/telegram", "connectors/all", "internal/egress"},
		"internal/egress":           {"connectors/internal/httpx", "connectors/omnichannel", "gateway", "simprot"},
		"connectors/internal/httpx": {"connectors/omnichannel", "gateway"},
		"connectors/connectortest":  {"test/netsim", "test/netsim/control", "connectors/telegram", "gateway"},
		"test/netsim":               {"connectors", "connectors/telegram", "gateway"},
		"test/netsim/telegram":      {"test/netsim", "test/netsim/omnichannel", "connectors", "connectors/telegram"},
		"connectors/all":            {"gateway", "simprot"},
		"gateway":                   {"connectors/omnichannel", "connectors/all", "simprot/refcore", "test/netsim"},
		"gateway/journal/sqlite":    {"gateway", "connectors", "simprot"},
	}
	for dir, list := range forbidden {
		l, ok := layerOf(dir)
		if !ok {
			t.Errorf("%s is in no layer", dir)
		}
		for _, imported := range list {
			for _, p := range l.may {
				if matches(p, imported) {
					t.Errorf("%s may import %s by %q", dir, imported, p)
				}
			}
		}
	}
}
