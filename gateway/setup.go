package gateway

import (
	"net/url"
	"strings"

	"servicelink/config"
	"servicelink/connectors"
)

// Check builds every connector, and the devices of the file's gateways, without
// connecting and reports all mistakes, as a config.Problems.
func Check(cfg *config.Config, opts Options) error {
	return OnTrial(cfg, opts, func(config.Channel, connectors.Device) error { return nil })
}

// OnTrial is Check, and when there is no mistake it lends every connector and device
// to use, disabled channels' too, in the order of the configuration and until one
// fails.
func OnTrial(cfg *config.Config, opts Options, use func(config.Channel, connectors.Device) error) error {
	g, err := New(cfg, opts)
	if err != nil {
		return err
	}
	defer g.life.stopHard()
	for _, ch := range g.now().ordered {
		if err == nil {
			err = use(ch.cfg, ch.conn)
		}
		_ = ch.close() // it was only lent
	}
	return err
}

// secretPart stands for what is not shown of an address.
const secretPart = "***"

// MaskHook is a hook's address for whoever looks over an operator's shoulder: of a
// secret one, the places that the webhook's path leaves open are hidden, and all
// below public.url where that cannot be told.
func MaskHook(public string, conn connectors.Device, h connectors.Hook) string {
	if !h.Secret {
		return h.URL
	}
	public = strings.TrimSuffix(public, "/")
	w, ok := conn.(connectors.Webhooker)
	rest, below := strings.CutPrefix(h.URL, public)
	u, err := url.Parse(rest)
	if !ok || !below || err != nil {
		return public + "/" + secretPart
	}
	query := ""
	if u.RawQuery != "" {
		query = "?" + secretPart
	}
	for _, hook := range w.Webhooks() {
		if masked, ok := maskPath(hook.Path, u.EscapedPath()); ok {
			return public + masked + query
		}
	}
	return public + "/" + secretPart
}

// maskPath hides what stands in a path where its pattern has a wildcard; false: it
// is not of this pattern, or it has none.
func maskPath(pattern, escaped string) (string, bool) {
	want, got := strings.Split(pattern, "/"), strings.Split(escaped, "/")
	if len(want) != len(got) || len(wildcards(pattern)) == 0 {
		return "", false
	}
	for i := range want {
		if strings.HasPrefix(want[i], "{") {
			got[i] = secretPart
		} else if want[i] != got[i] {
			return "", false
		}
	}
	return strings.Join(got, "/"), true
}
