package deploy

import (
	"context"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"servicelink/config"
	"servicelink/connectors/all"
	"servicelink/gateway"
)

// series are the series of a scrape by name, each as its labels.
type series map[string][]map[string]string

// scraped is what Prometheus adds to everything it scrapes.
var scraped = []string{"job", "instance"}

// scrape starts a gateway, with a channel of each way in, asks for its metrics
// and stops it.
func scrape(t *testing.T) series {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	write(t, path, `
core: { address: "127.0.0.1:1", login: false }
journal: { path: "`+filepath.Join(t.TempDir(), "journal.db")+`" }
public: { listen: "127.0.0.1:0" }
private: { listen: "127.0.0.1:0" }
channels:
  - { name: shop, network: omnichannel, settings: { token: 0123456789abcdef, webhook_url: "https://client.example" } }
  - { name: bot, network: telegram, enabled: false, settings: { token: "123456:made-up" } }
`)
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	g, err := gateway.New(cfg, gateway.Options{Definitions: all.All(), Version: "v0", OnReady: func() { close(ready) }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		t.Fatal("the gateway did not start")
	}
	found := parse(t, get(t, "http://"+g.PrivateAddr()+"/metrics"))
	for name, have := range comeLater {
		if there := found[name]; there != nil {
			t.Errorf("%s is there from the start: %v", name, there)
		}
		found[name] = have
	}
	return found
}

// comeLater are the series of the watch's first look, and of what was put right: the
// gateway has tests of them.
var comeLater = series{
	"servicelink_check_failed":                    {checkLabels("webhook"), checkLabels("network")},
	"servicelink_check_warning":                   {checkLabels("webhook")},
	"servicelink_mended_total":                    {checkLabels("webhook")},
	"servicelink_token_expires_timestamp_seconds": {{"channel": "shop", "network": "omnichannel"}},
}

func checkLabels(check string) map[string]string {
	return map[string]string{"channel": "shop", "network": "omnichannel", "check": check}
}

func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, answer.Status, err)
	}
	return string(body)
}

// parse reads the text of a scrape, histograms as the series they are.
func parse(t *testing.T, text string) series {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	found := series{"up": {{}}} // which Prometheus makes itself
	for name, family := range families {
		for _, m := range family.GetMetric() {
			have := map[string]string{}
			for _, pair := range m.GetLabel() {
				have[pair.GetName()] = pair.GetValue()
			}
			if m.GetHistogram() == nil {
				found[name] = append(found[name], have)
				continue
			}
			bucket := maps.Clone(have)
			bucket["le"] = "+Inf"
			found[name+"_bucket"] = append(found[name+"_bucket"], bucket)
			found[name+"_sum"] = append(found[name+"_sum"], have)
			found[name+"_count"] = append(found[name+"_count"], have)
		}
	}
	return found
}

// match gives the series a selector selects, and whether the metric exists at
// all. What it says about labels of the scrape cannot be judged here.
func (s series) match(name string, matchers []*labels.Matcher) (selected []map[string]string, known bool) {
	all, known := s[name]
	for _, have := range all {
		fits := true
		for _, m := range matchers {
			if m.Name != model.MetricNameLabel && m.Name != "job" && m.Name != "instance" {
				fits = fits && m.Matches(have[m.Name])
			}
		}
		if fits {
			selected = append(selected, have)
		}
	}
	return selected, known
}
