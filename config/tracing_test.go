package config

import (
	"strings"
	"testing"
)

func TestTracing(t *testing.T) {
	t.Setenv("OTLP_TOKEN", "Bearer of the collector")
	read := func(block string) *Config {
		t.Helper()
		cfg, err := Parse([]byte("core: { address: '127.0.0.1:18321', login: false }\n"+
			"channels: [ { name: one, network: omnichannel } ]\n"+block), "x")
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	if off := read("").Tracing; off.Endpoint != "" || off.Sample != 0.05 || off.Service != "servicelink" {
		t.Errorf("by default %+v", off)
	}
	on := read("tracing: { endpoint: 'http://collector:4318', sample: 1, headers: { Authorization: '${OTLP_TOKEN}' } }")
	if on.Tracing.Sample != 1 || on.Tracing.Headers["Authorization"].Reveal() != "Bearer of the collector" {
		t.Errorf("read as %+v", on.Tracing)
	}
	if len(on.Warnings) != 1 || !strings.Contains(on.Warnings[0].Error(), "tracing.headers") {
		t.Errorf("a header that travels in clear: warnings %v", on.Warnings)
	}
	for _, endpoint := range []string{"https://collector:4318", "http://127.0.0.1:4318/v1/traces"} {
		if w := read("tracing: { endpoint: '" + endpoint + "', headers: { A: '${OTLP_TOKEN}' } }").Warnings; len(w) > 0 {
			t.Errorf("%s: warnings %v", endpoint, w)
		}
	}
}
