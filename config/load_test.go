package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// TestWrongFiles compares everything that is said about a wrong file.
func TestWrongFiles(t *testing.T) {
	setExampleEnv(t)
	t.Setenv("NOT_A_NUMBER", "many")
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil || len(files) < 15 {
		t.Fatalf("found %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(data, "gw.yaml")
			if err == nil {
				t.Fatal("no problem is found")
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", err.Error()+"\n")
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestLoadReadsFiles(t *testing.T) {
	folder := t.TempDir()
	small, large := filepath.Join(folder, "small.yaml"), filepath.Join(folder, "large.yaml")
	text := "core: { address: 'core.example:18321', login: false }\nchannels: [ { name: one, network: omnichannel } ]\n"
	for file, content := range map[string]string{small: text, large: strings.Repeat("#", maxFileBytes+1)} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := Load(small)
	if err != nil || cfg.Path != small || cfg.Core.Address != "core.example:18321" {
		t.Errorf("Load gives %+v, %v", cfg, err)
	}
	for file, want := range map[string]string{
		large:                         large + ": the file is larger than 1024 KiB",
		folder:                        folder + ": cannot be read: it is not a regular file",
		filepath.Join(folder, "none"): filepath.Join(folder, "none") + ": cannot be read: no such file or directory",
	} {
		if cfg, err := Load(file); cfg != nil || fmt.Sprint(err) != want {
			t.Errorf("Load gives %v, %q, want %q", cfg, err, want)
		}
	}
}

// A file that costs the parser its stack or its patience is refused first.
func TestHostileFiles(t *testing.T) {
	keys := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "k%d: 1\n", i)
		}
		return b.String()
	}
	indented := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.Repeat(" ", i) + "a:\n")
		}
		return b.String()
	}
	tests := map[string]struct{ text, want string }{
		"flow lists":    {"a: " + strings.Repeat("[", 5000), "is nested too deeply"},
		"flow maps":     {"a: " + strings.Repeat("{a: ", 3000), "is nested too deeply"},
		"flow by lines": {"a: " + strings.Repeat("[\n", 20_000), "is nested too deeply"},
		"flow pairs":    {"a: [" + strings.Repeat("a:\n", 20_000), "is nested too deeply"},
		"lists":         {strings.Repeat("- ", 5000) + "a", "is nested too deeply"},
		"maps":          {strings.Repeat("a: ", 5000) + "a", "is nested too deeply"},
		"indented maps": {indented(300), "is nested too deeply"},
		"keys":          {keys(maxKeys + 1), "there are more than 20000 keys"},
		"long line":     {"a: " + strings.Repeat("x", maxLineBytes), "the line is longer than 16 KiB"},
		"billion laughs": {
			"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", "anchors (&name) are not supported",
		},
		"unfinished text": {strings.Repeat("- \"\n", 19_999), "YAML: could not find end character"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, err := Parse([]byte(test.text), "x")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %.200v", err)
			}
			t.Logf("%d bytes in %s", len(test.text), time.Since(began))
		})
	}
}

func TestByteOrderMarkAndLineEnds(t *testing.T) {
	text := "\ufeffcore: { address: \"a:1\", login: false } # comment\r\n# comment\r\nlog:\r\n  level: loud\r\nchannels: []\r\n"
	_, err := Parse([]byte(text), "x")
	if want := "x:4:10: log.level: must be debug, info, warn or error"; fmt.Sprint(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A problem shows where it is, never what stands there: it may be a secret in
// the wrong place.
func TestProblemsShowNoValues(t *testing.T) {
	t.Setenv("PLANTED", planted)
	for _, value := range []string{planted, `"${PLANTED}"`, `"` + planted + ` x"`} {
		var b strings.Builder
		for _, key := range []string{
			"core.address", "core.encoding", "core.login", "core.settle", "core.window", "core.unknown_outbound",
			"core.tls", "journal.driver", "journal.max_bytes", "public.listen", "public.url", "public.trusted_proxies",
			"egress.allow", "egress.proxy", "egress.ca", "limits.stop", "log.level",
		} {
			section, name, _ := strings.Cut(key, ".")
			fmt.Fprintf(&b, "%s: { %s: %s }\n---\n", section, name, value)
		}
		fmt.Fprintf(&b, "channels: [ { name: %[1]s, network: omnichannel, port: %[1]s, culture: %[1]s } ]\n", value)
		for document := range strings.SplitSeq(b.String(), "---\n") {
			cfg, err := Parse([]byte(document), "x")
			assertMasked(t, document, fmt.Sprint(err))
			if cfg != nil {
				assertMasked(t, document, fmt.Sprint(cfg.Warnings))
			}
		}
	}
}

func TestWarnings(t *testing.T) {
	text := `
core: { address: "127.0.0.1:1", secret: written-out }
journal: { driver: memory, keep_ids: 100h }
egress: { allow: [0.0.0.0/0] }
private: { token: out }
channels: []
`
	cfg, err := Parse([]byte(text), "gw.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := `gw.yaml:2:41: core.secret: a secret is written out in the file (use "${NAME}" or "file:/path")
gw.yaml:3:38: journal.keep_ids: is shorter than networks repeat a message (a repeat after that is shown twice; the default is 192h)
gw.yaml:4:11: egress.allow: allows every address (list only the private ranges that are needed)
gw.yaml:5:19: private.token: a secret is written out in the file (use "${NAME}" or "file:/path")
gw.yaml:6:1: channels: there is none, so nothing comes or goes but by message gateways of the core's register`
	if diff := cmp.Diff(want, Problems(cfg.Warnings).Error()); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// TestReadableSecrets: a secret in a file that others can read is told as that.
func TestReadableSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gw.yaml")
	text := "core: { address: \"a:1\", secret: out }\nchannels: [ { name: a, network: b, settings: { token: out } } ]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, shared := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o644: true, 0o604: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		cfg, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		var settings struct {
			Token Secret `yaml:"token"`
		}
		if err := cfg.Channels[0].Settings.Decode(&settings); err != nil {
			t.Fatal(err)
		}
		said := Problems(cfg.Warnings).Error()
		if n := strings.Count(said, "that others can read"); len(cfg.Warnings) != 2 || (n == 2) != shared || (n == 0) == shared {
			t.Errorf("mode %o: %s", mode, said)
		}
	}
}

func TestSettingsOfAChannel(t *testing.T) {
	cfg, err := Parse([]byte(`
core: { address: "127.0.0.1:1", login: false }
channels:
  - name: one
    network: omnichannel
    settings:
      token: literal
      url: http://a.example
      nosuch: 1
  - { name: two, network: none }
`), "gw.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var first, second sample
	for range 2 { // a second Decode does not repeat the warning
		err = cfg.Channels[0].Settings.Decode(&first)
	}
	if want := "gw.yaml:9:7: channels[0].settings.nosuch: is not a known key"; !strings.HasPrefix(fmt.Sprint(err), want) {
		t.Errorf("got %v", err)
	}
	if len(cfg.Warnings) != 1 || cfg.Warnings[0].Line != 7 || cfg.Warnings[0].Path != "channels[0].settings.token" {
		t.Errorf("warnings: %v", cfg.Warnings)
	}
	want := "gw.yaml:10:5: channels[1].settings.token: is missing"
	if err := cfg.Channels[1].Settings.Decode(&second); fmt.Sprint(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
	for want, got := range map[string]Problem{
		"gw.yaml:10:27: channels[1].network: is unknown":      cfg.Channels[1].Problem("network", "is unknown", ""),
		"gw.yaml:8:12: channels[0].settings.url: is odd":      cfg.Channels[0].Settings.Problem("url", "is odd", ""),
		"gw.yaml:6:5: channels[0].settings: is odd (as such)": cfg.Channels[0].Settings.Problem("", "is odd", "as such"),
	} {
		if got.Error() != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

// The keys others rely on, as one line each.
func TestFixedNames(t *testing.T) {
	setExampleEnv(t)
	cfg, err := Parse([]byte(`
core:    { address: "127.0.0.1:18321", peer: "@servicelink", account: servicelink, secret: "${CORE_SECRET}", instance: "", encoding: msgpack, login: true, settle: 2s, window: 256, unknown_outbound: report }
journal: { driver: sqlite, path: data/journal.db, max_bytes: 10GiB, keep_content: 48h, keep_ids: 192h }
public:  { listen: "127.0.0.1:8080", url: "https://gw.example.com" }
private: { listen: "127.0.0.1:9090", token: "" }
egress:  { allow: ["127.0.0.0/8"], proxy: "" }
texts:   { closed: { en: "..." }, hidden: { en: "..." } }
channels:
  - { name: shop-omni, network: omnichannel, enabled: true, port: shop-omni, culture: en, unknown: resend, when_closed: hold, settings: { token: "${OMNI_TOKEN}", webhook_url: "https://client.example.com", webhook_token: "${OMNI_OUT}" } }
`), "gw.yaml")
	if err != nil || len(cfg.Warnings) > 0 {
		t.Fatal(err, cfg.Warnings)
	}
	if cfg.Core.Window != 256 || cfg.Journal.MaxBytes != 10<<30 || cfg.Channels[0].Unknown != Resend || len(cfg.Egress.Allow) != 1 {
		t.Errorf("read as %+v", cfg)
	}
}

func TestMemoryJournalAnswers(t *testing.T) {
	for driver, want := range map[string]WhenClosed{"memory": Answer, "sqlite": Hold} {
		cfg, err := Parse(fmt.Appendf(nil, "core: { address: 'a:1', login: false }\njournal: { driver: %s }\nchannels: [ { name: one, network: x } ]\n", driver), "x")
		if err != nil || cfg.Channels[0].WhenClosed != want || cfg.Channels[0].Port != "one" || !cfg.Channels[0].Enabled {
			t.Errorf("%s: %+v, %v", driver, cfg, err)
		}
	}
}

func TestPrivateListener(t *testing.T) {
	tests := []struct {
		listen string
		open   bool
	}{
		{"127.0.0.1:9090", false},
		{"127.8.8.8:0", false},
		{"[::1]:9090", false},
		{"localhost:9090", false},
		{":9090", true},
		{"0.0.0.0:9090", true},
		{"[::]:9090", true},
		{"10.0.0.1:9090", true},
		{"gw.internal:9090", true},
	}
	for _, test := range tests {
		text := fmt.Sprintf("core: { address: 'a:1', login: false }\nprivate: { listen: %q }\nchannels: []\n", test.listen)
		_, err := Parse([]byte(text), "x")
		if test.open != strings.Contains(fmt.Sprint(err), "private.token: is missing") || !test.open && err != nil {
			t.Errorf("%s: %v", test.listen, err)
		}
		t.Setenv("ADMIN_TOKEN", "0123456789abcdef")
		text = strings.Replace(text, "listen:", `token: "${ADMIN_TOKEN}", listen:`, 1)
		if _, err := Parse([]byte(text), "x"); err != nil {
			t.Errorf("%s with a token: %v", test.listen, err)
		}
	}
}

// Certificates are read when the file is checked, not at the first handshake.
func TestCertificates(t *testing.T) {
	folder := t.TempDir()
	text := filepath.Join(folder, "text.pem")
	if err := os.WriteFile(text, []byte("no certificate\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Parse(fmt.Appendf(nil, `
core: { address: "a:1", login: false, tls: { ca: %[1]q } }
public: { tls: { cert: %[1]q, key: %[1]q } }
egress: { ca: %[1]q }
channels: []
`, text), "x")
	want := `x:2:50: core.tls.ca: holds no certificate in PEM
x:3:24: public.tls.cert: and key are not a certificate and its key in PEM
x:4:15: egress.ca: holds no certificate in PEM`
	if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	cfg, err := Parse([]byte(`{ core: { address: "a:1", login: false, tls: {} }, public: { tls: ~ }, channels: [] }`), "x")
	if err != nil || cfg.Core.TLS == nil || cfg.Public.TLS != nil {
		t.Errorf("an empty map turns TLS on, nothing leaves it off: %+v, %v", cfg, err)
	}
}

// Without a secret there is nothing to derive the key of links from.
func TestMediaKey(t *testing.T) {
	t.Setenv("MEDIA_KEY", "0123456789abcdef")
	t.Setenv("CORE_SECRET", "a secret")
	const link = `public: { url: "https://gw.example.com" }`
	for text, warn := range map[string]bool{
		`core: { address: "a:1", secret: "${CORE_SECRET}" }, ` + link:                     false,
		`core: { address: "a:1", login: false }, ` + link:                                 true,
		`core: { address: "a:1", login: false }, media: { key: "${MEDIA_KEY}" }, ` + link: false,
		`core: { address: "a:1", login: false }`:                                          false, // no links are made
	} {
		cfg, err := Parse([]byte("{ "+text+", channels: [] }"), "x")
		if err != nil {
			t.Fatal(err)
		}
		if warned := strings.Contains(fmt.Sprint(cfg.Warnings), "media.key: is missing"); warned != warn {
			t.Errorf("%s: warnings %v", text, cfg.Warnings)
		}
	}
}
