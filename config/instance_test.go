package config

import (
	"regexp"
	"testing"
)

func TestInstanceName(t *testing.T) {
	name := func(c Config) string {
		t.Helper()
		got, err := c.InstanceName()
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	sqlite := Config{Path: "/a/gw.yaml", Journal: Journal{Driver: "sqlite", Path: "/a/journal.db"}}
	if got := name(sqlite); !regexp.MustCompile(`^.+-[0-9a-f]{8}$`).MatchString(got) {
		t.Errorf("name is %q", got)
	}
	same := sqlite
	same.Path, same.Journal.Path = "/b/gw.yaml", "/a/../a/journal.db"
	if name(same) != name(sqlite) {
		t.Error("the name depends on more than the journal's absolute path")
	}
	other := sqlite
	other.Journal.Path = "/b/journal.db"
	memory := sqlite
	memory.Journal.Driver = "memory"
	if name(other) == name(sqlite) || name(memory) == name(sqlite) {
		t.Error("two gateways of one host have the same name")
	}
	memory.Core.Instance = "gw-1"
	if name(memory) != "gw-1" {
		t.Error("the configured name is not used")
	}
	// Known answer: the first 4 bytes of SHA-256 of "/a/journal.db".
	if got := name(sqlite); got[len(got)-8:] != "fe65a46d" {
		t.Errorf("name is %q", got)
	}
}
