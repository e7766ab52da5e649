package refcore

import (
	"strings"
	"testing"
)

func TestConsolePolicy(t *testing.T) {
	for name, tt := range map[string]struct {
		options Options
		want    []string
	}{
		"by default":    {Options{}, []string{"img-src 'self';", "frame-ancestors 'none'"}},
		"with pictures": {Options{ConsoleImages: []string{"http://127.0.0.1:8080"}}, []string{"img-src 'self' http://127.0.0.1:8080;", "frame-ancestors 'none'"}},
		"framed":        {Options{ConsoleFramed: true}, []string{"img-src 'self';", "frame-ancestors 'self'"}},
	} {
		t.Run(name, func(t *testing.T) {
			policy := tt.options.policy()
			for _, want := range append(tt.want, "default-src 'none'; script-src 'self';") {
				if !strings.Contains(policy, want) {
					t.Errorf("policy %q lacks %q", policy, want)
				}
			}
		})
	}
}
