package config

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// setExampleEnv sets what the example names.
func setExampleEnv(t *testing.T) {
	t.Helper()
	for _, name := range regexp.MustCompile(`\$\{([A-Z_]+)\}`).FindAllStringSubmatch(Example, -1) {
		t.Setenv(name[1], "example-"+strings.ToLower(name[1]))
	}
}

func TestExampleLoads(t *testing.T) {
	setExampleEnv(t)
	cfg, err := Parse([]byte(Example), "example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings: %v", cfg.Warnings)
	}
	if cfg.Core.Secret.Reveal() != "example-core_secret" || len(cfg.Channels) == 0 {
		t.Errorf("the example is read as %+v", cfg)
	}
}

// The example says that a key left out has the value shown: compare it with a
// file that leaves everything out.
func TestExampleShowsTheDefaults(t *testing.T) {
	setExampleEnv(t)
	full, err := Parse([]byte(Example), "x")
	if err != nil {
		t.Fatal(err)
	}
	bare, err := Parse([]byte(`
core: { address: "127.0.0.1:18321", secret: "${CORE_SECRET}" }
channels: [ { name: shop-omni, network: omnichannel } ]
`), "x")
	if err != nil {
		t.Fatal(err)
	}
	// The exceptions are named in the example's comments.
	bare.Public.URL = full.Public.URL
	full.Texts, bare.Texts = Texts{}, Texts{}
	full.Channels = full.Channels[:1] // the others show settings of further networks
	bare.Channels[0].Unknown = full.Channels[0].Unknown
	full.Channels[0].Settings, bare.Channels[0].Settings = Settings{}, Settings{}
	full.Public.TrustedProxies, full.Egress.Allow = nil, nil
	if !reflect.DeepEqual(full, bare) {
		t.Errorf("the example's values are not the defaults:\n%+v\n%+v", full, bare)
	}
}

func TestExampleHasEveryKey(t *testing.T) {
	var missing []string
	var walk func(reflect.Type)
	walk = func(kind reflect.Type) {
		switch kind.Kind() {
		case reflect.Pointer, reflect.Slice:
			walk(kind.Elem())
			return
		case reflect.Struct:
		default:
			return
		}
		for part := range kind.Fields() {
			key := part.Tag.Get("yaml")
			if key == "" || key == "-" {
				continue
			}
			// A key may stand commented out, with its block.
			if !regexp.MustCompile(`(?m)^(# |  #)? *(- )?` + key + `:`).MatchString(Example) {
				missing = append(missing, kind.Name()+"."+key)
			}
			walk(part.Type)
		}
	}
	walk(reflect.TypeFor[Config]())
	if len(missing) > 0 {
		t.Errorf("the example does not explain %v", missing)
	}
}

// What the example shows commented out must be right as well.
func TestExampleCommentedBlocks(t *testing.T) {
	setExampleEnv(t)
	text := regexp.MustCompile(`(?m)^  # (tls:|gateways:|  +(- )?\w+:)`).ReplaceAllString(Example, "  $1")
	if text == Example {
		t.Fatal("the example has no commented blocks")
	}
	cfg, err := Parse([]byte(text), "x")
	for _, p := range Flatten(err) {
		if !strings.Contains(p.Message, "cannot be read: no such file") {
			t.Errorf("problem: %v", p)
		}
	}
	if cfg == nil || len(cfg.Messages.Gateways) != 2 || cfg.Messages.Gateways[0].Direction != DirectionIn {
		t.Error("the commented gateways are not read")
	}
	if cfg == nil || cfg.Core.TLS == nil || cfg.Public.TLS == nil || cfg.Core.TLS.ServerName == "" {
		t.Error("the commented blocks are not read")
	}
}
