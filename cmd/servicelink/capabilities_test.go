package main

import (
	"strings"
	"testing"
)

func TestCapabilities(t *testing.T) {
	path := file(t, strings.Replace(networks, "API", "http://127.0.0.1:1", 1))
	for name, tc := range map[string]struct {
		args []string
		want []string
		not  string
	}{
		"all":  {nil, []string{"CHANNEL", "shop ", "bot ", "sms ", "to 4096 utf16", "to 10 segments", "with text to 1024"}, "token"},
		"one":  {[]string{"bot"}, []string{"telegram", "yes"}, "sms"},
		"JSON": {[]string{"sms", "--json"}, []string{`[{"channel":"sms","port":"2","enabled":true,"manifest":{"Network":"sms","TextLimit":10,"TextUnit":"segments",`}, "shop"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, err := typed(append([]string{"capabilities", "--config", path}, tc.args...)...)
			if code != exitFine {
				t.Fatalf("exit code %d: %s", code, err)
			}
			for _, want := range tc.want {
				if !strings.Contains(out, want) {
					t.Errorf("it prints\n%s\nwithout %s", out, want)
				}
			}
			if strings.Contains(out, tc.not) {
				t.Errorf("it prints\n%s\nwith %s", out, tc.not)
			}
		})
	}
	if code, _, err := typed("capabilities", "none", "--config", path); code != exitUsage || !strings.Contains(err, "none") {
		t.Errorf("of a channel that is not there: %d %s", code, err)
	}
}
