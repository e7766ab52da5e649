package config

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

type nested struct {
	Host string `yaml:"host,required"`
	Port uint16 `yaml:"port"`
}

type sample struct {
	Token    Secret            `yaml:"token,required"`
	URL      string            `yaml:"url"`
	Wait     time.Duration     `yaml:"wait"`
	Size     Bytes             `yaml:"size"`
	Count    int8              `yaml:"count"`
	Ratio    float64           `yaml:"ratio"`
	On       bool              `yaml:"on"`
	Maybe    *bool             `yaml:"maybe"`
	Servers  []nested          `yaml:"servers"`
	Backup   *nested           `yaml:"backup"`
	Labels   map[string]string `yaml:"labels"`
	Ranges   []netip.Prefix    `yaml:"ranges"`
	Internal string
}

var secretsByValue = cmp.Comparer(func(a, b Secret) bool { return a.Reveal() == b.Reveal() })

func TestSettingsDecode(t *testing.T) {
	t.Setenv("SAMPLE_TOKEN", "t0ken")
	t.Setenv("SAMPLE_COUNT", "7")
	settings, err := ParseSettings(`
token: "${SAMPLE_TOKEN}"
url: http://a.example/x#y
wait: 1m30s
size: 3 MiB
count: "${SAMPLE_COUNT}"
ratio: 0.5
on: true
maybe: false
servers:
  - {host: a.example, port: 25}
  - host: b.example
backup: { host: c.example }
labels: { no: "1", "007": yes }
ranges: [10.0.0.0/8, "::1", 192.0.2.7]
`)
	if err != nil {
		t.Fatal(err)
	}
	var got sample
	got.Servers = []nested{{Host: "default.example"}}
	if err := settings.Decode(&got); err != nil {
		t.Fatal(err)
	}
	off := false
	want := sample{
		Token: NewSecret("t0ken"), URL: "http://a.example/x#y", Wait: 90 * time.Second, Size: 3 << 20,
		Count: 7, Ratio: 0.5, On: true, Maybe: &off,
		Servers: []nested{{"a.example", 25}, {"b.example", 0}}, Backup: &nested{Host: "c.example"},
		Labels: map[string]string{"no": "1", "007": "yes"},
		Ranges: []netip.Prefix{
			netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("192.0.2.7/32"),
		},
	}
	if diff := cmp.Diff(want, got, secretsByValue, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestSettingsKeepDefaults(t *testing.T) {
	for _, text := range []string{"", "  \n", "# nothing\n", "---\n", "url:\n", "url: ~\nlabels: null\n"} {
		settings, err := ParseSettings(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		got := sample{Token: NewSecret("kept"), URL: "kept"}
		if err := settings.Decode(&got); err != nil || got.URL != "kept" || got.Token.Reveal() != "kept" {
			t.Errorf("%q gives %+v, %v", text, got, err)
		}
	}
	got := sample{Token: NewSecret("kept")}
	if err := (Settings{}).Decode(&got); err != nil {
		t.Errorf("zero Settings: %v", err)
	}
}

func TestSettingsDecodeFindsEveryMistake(t *testing.T) {
	settings, err := ParseSettings(`
tokn: x
wait: 5
size: 10GB
count: 300
ratio: lots
on: yes
maybe: [1]
servers:
  - port: 70000
  -
  - x
backup: b.example
labels: [a]
ranges: 10.0.0.0/8
url: a
url: b
Internal: x
`)
	if err != nil {
		t.Fatal(err)
	}
	var got sample
	want := `2:1: token: is missing
2:1: tokn: is not a known key (did you mean token?)
3:7: wait: must be a duration (such as "2s", "15m" or "48h")
4:7: size: must be a size (such as "10GiB", "512MiB" or "64KiB")
5:8: count: must be a whole number that fits
6:8: ratio: must be a number
7:5: on: must be true or false
8:8: maybe: must be a single value
10:5: servers[0].host: is missing
10:11: servers[0].port: must be a whole number from 0 that fits
11:4: servers[1]: is empty
12:5: servers[2]: must be a map of keys
13:9: backup: must be a map of keys
14:9: labels: must be a map of keys
15:9: ranges: must be a list (write "- value" lines, or [value, value])
17:1: url: is there twice (the first one is in line 16)
18:1: Internal: is not a known key (known here: token, url, wait, size, count, ratio, on, maybe, servers, backup, labels, ranges)`
	if diff := cmp.Diff(want, fmt.Sprint(settings.Decode(&got))); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestSettingsSecretSources(t *testing.T) {
	folder := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("GOOD", "from env")
	t.Setenv("LIKE_FILE", "file:/is/text/here")
	t.Setenv("EMPTY", "")
	tests := []struct{ text, want, problem string }{
		{`"${GOOD}"`, "from env", ""},
		{`"${LIKE_FILE}"`, "file:/is/text/here", ""},
		{`0123`, "0123", ""},
		{"|\n  line\n", "line\n", ""},
		{"file:" + write("plain", "from file"), "from file", ""},
		{"file:" + write("newline", "from file\n"), "from file", ""},
		{"file:" + write("crlf", "from file\r\n"), "from file", ""},
		{"file:" + write("spaces", " a b "), " a b ", ""},
		{"file:" + write("two", "a\n\n"), "", "holds more than one line"},
		{"file:" + write("binary", "\x00\xff"), "", "holds more than one line"},
		{"file:" + write("empty", ""), "", "the secret it names is empty"},
		{"file:" + write("big", strings.Repeat("x", maxSecretFile+1)), "", "it is too large"},
		{"file:" + folder, "", "it is not a regular file"},
		{"file:" + filepath.Join(folder, "none"), "", "no such file"},
		{"file:relative", "", "needs an absolute path"},
		{`"${EMPTY}"`, "", "the secret it names is empty"},
		{`"${UNSET_ANYWHERE}"`, "", "needs the environment variable UNSET_ANYWHERE, which is not set"},
		{`"x${GOOD}"`, "", "only a whole value can come from the environment"},
		{`"${GOOD:-x}"`, "", "only a whole value can come from the environment"},
		{`"${5}"`, "${5}", ""},
	}
	for _, test := range tests {
		settings, err := ParseSettings("token: " + test.text)
		if err != nil {
			t.Fatalf("%s: %v", test.text, err)
		}
		var got sample
		err = settings.Decode(&got)
		if test.problem == "" && (err != nil || got.Token.Reveal() != test.want) {
			t.Errorf("%s gives %q, %v", test.text, got.Token.Reveal(), err)
		}
		if test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)) {
			t.Errorf("%s gives %v, not %q", test.text, err, test.problem)
		}
	}
}

func TestSettingsPrintNothing(t *testing.T) {
	settings, err := ParseSettings("token: " + planted)
	if err != nil {
		t.Fatal(err)
	}
	channel := Channel{Settings: settings}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, value := range []any{settings, &settings, channel, &channel, struct{ c Channel }{channel}} {
			assertMasked(t, verb, fmt.Sprintf(verb, value))
		}
	}
}

func TestSettingsDecodeNeedsStructPointer(t *testing.T) {
	for _, v := range []any{nil, sample{}, new(int), map[string]any{}} {
		if (Settings{}).Decode(v) == nil {
			t.Errorf("%T is accepted", v)
		}
	}
	var odd struct {
		C chan int    `yaml:"c"`
		M map[int]int `yaml:"m"`
	}
	settings, err := ParseSettings("c: 1\nm: {1: 2}\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := Flatten(settings.Decode(&odd)); len(got) != 2 {
		t.Errorf("problems: %v", got)
	}
}

func TestSettingsProblem(t *testing.T) {
	settings, err := ParseSettings("a: 1\nb: 2\n")
	if err != nil {
		t.Fatal(err)
	}
	got := settings.Problem("b", "is odd", "make it even").Error()
	if want := "2:4: b: is odd (make it even)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (Settings{}).Problem("b", "is odd", "").Error(); got != "b: is odd" {
		t.Errorf("zero Settings give %q", got)
	}
}

func TestBytesText(t *testing.T) {
	for text, want := range map[string]Bytes{"10GiB": 10 << 30, "1TiB": 1 << 40, "1025KiB": 1025 << 10, "1000": 1000, "0": 0} {
		if got, err := parseBytes(text); err != nil || got != want || got.String() != text {
			t.Errorf("%s is read as %d and written as %s, %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", "-1", "GiB", "1.5GiB", "10GB", "9223372036854775807KiB", "0x10"} {
		if got, err := parseBytes(text); err == nil {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}

func TestSettingsOtherTypes(t *testing.T) {
	settings, err := ParseSettings("address: 192.0.2.1\nbad: nowhere\nempty:\n")
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Address netip.Addr `yaml:"address"`
		Bad     netip.Addr `yaml:"bad"`
		Empty   []string   `yaml:"empty,required"`
	}
	want := "2:6: bad: is not valid\n3:1: empty: is missing"
	if err := settings.Decode(&got); fmt.Sprint(err) != want || got.Address.String() != "192.0.2.1" {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := ParseSettings("- a\n"); fmt.Sprint(err) != "1:1: the top must be a map of keys" {
		t.Errorf("a list gives %v", err)
	}
	if _, err := ParseSettings("a: [\n"); err == nil {
		t.Error("broken YAML is accepted")
	}
	if out, err := json.Marshal(Channel{Settings: settings}); err != nil || strings.Contains(string(out), "192.0.2.1") {
		t.Errorf("as JSON: %s, %v", out, err)
	}
}

// TestDecodeEmbedded: what several kinds of settings share is written once in Go, and
// is no level of its own in the file.
func TestDecodeEmbedded(t *testing.T) {
	type shared struct {
		Host string `yaml:"host,required"`
		Port uint16 `yaml:"port"`
	}
	type whole struct {
		shared
		Name string `yaml:"name"`
	}
	settings, err := ParseSettings("{host: a.example, name: b}")
	if err != nil {
		t.Fatal(err)
	}
	got := whole{shared: shared{Port: 25}}
	if err := settings.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if want := (whole{shared: shared{Host: "a.example", Port: 25}, Name: "b"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if settings, err = ParseSettings("{name: b}"); err != nil {
		t.Fatal(err)
	}
	if err := settings.Decode(&whole{}); err == nil || !strings.Contains(err.Error(), "host: is missing") {
		t.Errorf("without the host: %v", err)
	}
}
