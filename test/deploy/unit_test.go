package deploy

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"servicelink/config"
)

// TestUnitFits: what the unit says about the program is what the program does.
func TestUnitFits(t *testing.T) {
	unit := map[string]string{}
	for line := range strings.Lines(read(t, "deploy/systemd/servicelink.service")) {
		if key, value, found := strings.Cut(strings.TrimSpace(line), "="); found && !strings.HasPrefix(key, "#") {
			unit[key] = value
		}
	}
	for key, want := range map[string]string{
		"Type":                     "notify", // cmd/servicelink tells it; see TestNotify there
		"ExecStart":                "/usr/local/bin/servicelink run --config /etc/servicelink/gateway.yaml",
		"ExecReload":               "/bin/kill -HUP $MAINPID",
		"RestartPreventExitStatus": "2",
		"StateDirectory":           "servicelink",
		"WorkingDirectory":         "/var/lib/servicelink",
	} {
		if unit[key] != want {
			t.Errorf("%s=%s, want %s", key, unit[key], want)
		}
	}
	path := t.TempDir() + "/gateway.yaml"
	write(t, path, "core: { address: \"core:1\", login: false }\n"+
		"channels: [ { name: a, network: omnichannel, settings: { token: 0123456789abcdef, webhook_url: \"https://a.example\" } } ]\n")
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	seconds, err := strconv.Atoi(unit["TimeoutStopSec"])
	if err != nil || time.Duration(seconds)*time.Second < cfg.Limits.Stop+10*time.Second {
		t.Errorf("TimeoutStopSec=%s kills a stop of %s", unit["TimeoutStopSec"], cfg.Limits.Stop)
	}
	if cfg.Journal.Path != "data/journal.db" {
		t.Errorf("the journal is by default at %s, which the unit's comment does not say", cfg.Journal.Path)
	}
}
