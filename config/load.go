package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"time"
)

// Load reads and checks the file at path. See Parse for what it returns.
func Load(path string) (*Config, error) {
	data, err := readFile(path, maxFileBytes)
	if errors.Is(err, errTooLarge) {
		return nil, Problems{tooLarge(path)}
	}
	if err != nil {
		return nil, Problems{{File: path, Message: "cannot be read: " + err.Error()}}
	}
	info, err := os.Stat(path)
	return parseFile(data, path, err == nil && info.Mode().Perm()&0o044 != 0)
}

// Parse checks the text of a configuration file; path is the name it goes by
// in messages. It reads the environment and the secret files the text names.
//
// Its error is Problems: every mistake at once, in the file's order. The
// Config that comes with an error must not be run; it is there so that the
// mistakes in the channels' settings can be found as well, and nil when the
// text could not be read as YAML.
func Parse(data []byte, path string) (*Config, error) { return parseFile(data, path, false) }

// parseFile is Parse; shared says that others than its owner can read the file.
func parseFile(data []byte, path string, shared bool) (*Config, error) {
	if len(data) > maxFileBytes {
		return nil, Problems{tooLarge(path)}
	}
	cfg := defaults()
	cfg.Path = path
	src := &source{file: path, warn: cfg.warn, shared: shared}
	root, err := parseYAML(data, src)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return nil, Problems{{File: path, Message: "the file is empty", Hint: "start from the output of: servicelink example"}}
	}
	src.root = root
	d := decoder{src: src}
	d.value(root, reflect.ValueOf(cfg).Elem(), "")
	cfg.fillChannels()
	cfg.fillMessages()
	v := validator{cfg: cfg, src: src, problems: d.problems}
	v.all()
	return cfg, v.problems.Err()
}

func tooLarge(path string) Problem {
	return Problem{File: path, Message: fmt.Sprintf("the file is larger than %d KiB", maxFileBytes>>10)}
}

// warn adds a warning once, however often the settings are decoded.
func (c *Config) warn(p Problem) {
	if !slices.Contains(c.Warnings, p) {
		c.Warnings = Problems(append(c.Warnings, p)).sorted()
	}
}

// defaults is what holds for everything the file leaves out.
func defaults() *Config {
	return &Config{
		Core: Core{
			Peer:            "@servicelink",
			Account:         "servicelink",
			Encoding:        "msgpack",
			Login:           true,
			Settle:          2 * time.Second,
			Window:          256,
			UnknownOutbound: Report,
		},
		Journal: Journal{
			Driver:      "sqlite",
			Path:        "data/journal.db",
			MaxBytes:    10 << 30,
			KeepContent: 48 * time.Hour,
			KeepIDs:     192 * time.Hour,
		},
		Public:  Public{Listen: "127.0.0.1:8080"},
		Private: Private{Listen: "127.0.0.1:9090"},
		Media:   Media{TTL: 48 * time.Hour, MaxBytes: 50 << 20},
		Files:   Files{Keep: 720 * time.Hour, MaxBytes: 20 << 30},
		Limits:  Limits{Deadline: 24 * time.Hour, Stop: 15 * time.Second, RecoverAfter: 3 * time.Minute, WatchEvery: 15 * time.Minute},
		Log:     Log{Level: "info", Format: "text"},
		Tracing: Tracing{Sample: 0.05, Service: "servicelink", Headers: map[string]Secret{}},

		Messages: Messages{Register: true, Refresh: 5 * time.Minute},
	}
}

// setDefaults is called before a channel is decoded.
func (c *Channel) setDefaults() {
	c.Enabled = true
	c.Culture = "en"
}

// fillChannels sets the defaults that depend on other keys.
func (c *Config) fillChannels() {
	for i := range c.Channels {
		channel := &c.Channels[i]
		if channel.Port == "" {
			channel.Port = channel.Name
		}
		if channel.Confirm == "" {
			channel.Confirm = ConfirmAccepted
		}
		if channel.WhenClosed == "" {
			channel.WhenClosed = Hold
			if c.Journal.Driver == "memory" {
				channel.WhenClosed = Answer
			}
		}
	}
}
