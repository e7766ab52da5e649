package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mailHost is a device's settings.
type mailHost struct {
	Host     string        `yaml:"Host,required"`
	Port     int           `yaml:"Port"`
	Password Secret        `yaml:"Password"`
	Poll     time.Duration `yaml:"Poll"`
	Size     Bytes         `yaml:"Size"`
	Idle     bool          `yaml:"Idle"`
	List     []string      `yaml:"List"`
	OAuth    *struct {
		Secret Secret `yaml:"Secret"`
	} `yaml:"OAuth"`
}

func TestParseDevice(t *testing.T) {
	name, settings, err := ParseDevice(`ImapHost {
		"Host": "mail.example.org", "Port": 993, "Password": "${HOME}: \"p\u00e4ss\" \ud83d\ude00",
		"Poll": "2m", "Size": "25MiB", "Idle": true, "List": ["a", "b"], "OAuth": { "Secret": "x" }
	}`, "")
	if err != nil {
		t.Fatal(err)
	}
	var got mailHost
	if err := settings.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if name != "ImapHost" || got.Host != "mail.example.org" || got.Port != 993 || got.Poll != 2*time.Minute ||
		got.Size != 25<<20 || !got.Idle || len(got.List) != 2 || got.OAuth.Secret.Reveal() != "x" {
		t.Errorf("%s is read as %+v", name, got)
	}
	// What the core writes is no reference of the operator's.
	if want := "${HOME}: \"päss\" \U0001f600"; got.Password.Reveal() != want {
		t.Errorf("the password is %q", got.Password.Reveal())
	}

	name, settings, err = ParseDevice("  Null \n", "")
	if err != nil || name != "Null" {
		t.Fatalf("without settings: %q, %v", name, err)
	}
	if err := settings.Decode(&got); err != nil && !strings.Contains(err.Error(), "Host: is missing") {
		t.Error(err)
	}
}

// What is wrong stands at its place, and nothing of the values is repeated.
func TestParseDeviceMistakes(t *testing.T) {
	for device, want := range map[string]string{
		``:                                                    "must be the name of a type",
		`{"Host": "hidden"}`:                                  "must be the name of a type",
		`Imap-Host {"Host":"hidden"}`:                         "must be the name of a type",
		`ImapHost hidden`:                                     "must be the name of a type",
		`ImapHost [1]`:                                        "must be the name of a type",
		`ImapHost {"Host": "hidden"`:                          "the object does not end",
		`ImapHost {"Host" "hidden"}`:                          "Device:1:18: JSON: there is a mistake near here",
		`ImapHost {"Host": "hidden",}`:                        "JSON: there is a mistake",
		`ImapHost {"Host": 'hidden'}`:                         "JSON: there is a mistake",
		`ImapHost {Host: "hidden"}`:                           "JSON: there is a mistake",
		`ImapHost {"Host": "hidden"} {}`:                      "more than one JSON object",
		`ImapHost {"Host": "hidden"} // hidden`:               "more than one JSON object",
		`ImapHost {"Host": "hid\nden"}`:                       "control character",
		`ImapHost {"Host": "\ud800hidden"}`:                   "half a character",
		"ImapHost {\"Host\": \"\xff\"}":                       "is not UTF-8",
		`ImapHost ` + strings.Repeat(" ", 70000):              "is longer than 64 KiB",
		`X {"List":[` + strings.Repeat(`1,`, 2000) + `1]}`:    "more than 1000 values",
		`X {"List":` + strings.Repeat(`[`, 40):                "nested too deeply",
		"ImapHost {\"Host\": \"h\",\n  \"Hots\": \"hidden\"}": "Device:2:3: Hots: is not a known key (did you mean Host?)",
		`ImapHost {"Host":"a", "Host":"hidden"}`:              "Device:1:23: Host: is there twice",
		`ImapHost {"host":"hidden"}`:                          "did you mean Host?",
		`ImapHost {"Host":"a", "Poll": "hidden"}`:             "Device:1:31: Poll: must be a duration",
		`ImapHost {"Host":"a", "Port": 99.5}`:                 "must be a whole number",
		`ImapHost {"Host":"a", "List": "hidden"}`:             "must be a list",
		`ImapHost {"Host":["hidden"]}`:                        "must be a single value",
		`ImapHost {}`:                                         "Host: is missing",
		`ImapHost {"Host": null}`:                             "Host: is missing",
	} {
		_, settings, err := ParseDevice(device, "")
		if err == nil {
			err = settings.Decode(&mailHost{})
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, not %q", device, err, want)
		} else if strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "hid") {
			t.Errorf("%.60q: the error repeats a value: %v", device, err)
		}
		if problems := (Problems{}); err != nil && !errors.As(err, &problems) {
			t.Errorf("%.60q: the error is a %T", device, err)
		}
	}
}

// Every way out of the folder of secrets is closed.
func TestDeviceSecrets(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	dir := t.TempDir()
	for name, text := range map[string]string{
		outside: "hidden", filepath.Join(dir, "mailbox"): "pass\n", filepath.Join(dir, "empty"): "",
		filepath.Join(dir, "lines"): "hidden\nhidden", filepath.Join(dir, "large"): strings.Repeat("h", maxSecretFile+1),
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"inner": "mailbox", "out": outside, "up": "../" + filepath.Base(filepath.Dir(outside)) + "/outside", "folder": "/",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DEVICE_SECRET", "from the environment")
	t.Setenv("DEVICE_EMPTY", "")
	for text, want := range map[string]string{
		"file:mailbox": "pass", "file:inner": "pass", "file:sub/../mailbox": "", "env:DEVICE_SECRET": "from the environment",
		"plain": "plain", "${DEVICE_SECRET}": "${DEVICE_SECRET}",
		"file:" + outside: "", "file:../" + filepath.Base(filepath.Dir(outside)) + "/outside": "", "file:out": "", "file:up": "",
		"file:folder" + outside: "", "file:": "", "file:.": "", "file:sub": "", "file:missing": "", "file:empty": "", "file:lines": "", "file:large": "",
		"env:": "", "env:DEVICE_EMPTY": "", "env:DEVICE_MISSING": "", "env:NO NAME": "",
	} {
		got, err := secretOf(t, text, dir)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s gives %q, %v", text, got, err)
		}
		if err != nil && (strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), dir)) {
			t.Errorf("%s: the error tells too much: %v", text, err)
		}
	}
	if _, err := secretOf(t, "file:mailbox", ""); err == nil {
		t.Error("without a folder a file is read")
	}
}

func secretOf(t *testing.T, text, dir string) (string, error) {
	t.Helper()
	_, settings, err := ParseDevice(`D {"Host":"h","Password":"`+text+`"}`, dir)
	if err != nil {
		t.Fatal(err)
	}
	var got mailHost
	err = settings.Decode(&got)
	return got.Password.Reveal(), err
}

// The fingerprint follows what a Device names, by the rules of a Device.
func TestDeviceSum(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mailbox")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sum := func(device string) [32]byte {
		_, settings, err := ParseDevice(device, dir)
		if err != nil {
			t.Fatal(err)
		}
		return settings.Sum()
	}
	write("one")
	a := sum(`D {"Host": "h", "Password": "file:mailbox"}`)
	if a != sum(`D { "Password":"file:mailbox", "Host":"h" }`) {
		t.Error("the order of the members counts")
	}
	write("two")
	if a == sum(`D {"Host": "h", "Password": "file:mailbox"}`) {
		t.Error("another secret in the file is not seen")
	}
	t.Setenv("DEVICE_SECRET", "one")
	b := sum(`D {"Password": "env:DEVICE_SECRET"}`)
	t.Setenv("DEVICE_SECRET", "two")
	if b == sum(`D {"Password": "env:DEVICE_SECRET"}`) {
		t.Error("another value in the environment is not seen")
	}
}

// FuzzParseDevice: no Device panics or hangs, and what is wrong stands inside it.
func FuzzParseDevice(f *testing.F) {
	for _, device := range []string{
		`SmtpHost { "Host": "mail.example.org", "Port": 25, "Password": "env:X" }`,
		`A {"Host":"a","OAuth":{"Secret":"file:../x"},"List":["",null]}`, "A\n{\n\"Host\" : 1e9 , \"\\u0000\":{}}", `A {"":[[]]} x`, `A {"a.b[0]":1}`,
	} {
		f.Add(device)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, device string) {
		name, settings, err := ParseDevice(device, dir)
		if err == nil {
			if name == "" {
				t.Error("no type")
			}
			err = settings.Decode(&mailHost{})
			settings.Sum()
		}
		lines := strings.Split(device, "\n")
		for _, p := range Flatten(err) {
			if p.File != deviceFile {
				t.Errorf("a problem of no Device: %+v", p)
			}
			checkPlace(t, p, lines)
		}
	})
}
