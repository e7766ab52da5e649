package deploy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// root is the source tree, seen from here.
const root = "../.."

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func readYAML(t *testing.T, name string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, name)), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

const (
	rulesFile     = "deploy/prometheus/servicelink.rules.yml"
	ruleTestsFile = "deploy/prometheus/servicelink.rules_test.yml"
	dashboardFile = "deploy/grafana/servicelink.json"
	runbookFile   = "docs/runbook.md"
)

// alert is one alerting rule.
type alert struct {
	Name        string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func readAlerts(t *testing.T) []alert {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []alert `yaml:"rules"`
		} `yaml:"groups"`
	}
	readYAML(t, rulesFile, &file)
	var alerts []alert
	for _, g := range file.Groups {
		alerts = append(alerts, g.Rules...)
	}
	if len(alerts) == 0 {
		t.Fatal("there is no alert: the test reads the wrong place")
	}
	return alerts
}

// panelQuery is one query of the dashboard.
type panelQuery struct {
	Panel, Expr, Legend string
}

// readQueries gives the dashboard's queries with its variables filled in.
func readQueries(t *testing.T) []panelQuery {
	t.Helper()
	var board struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr, LegendFormat string }
		}
		Templating struct {
			List []struct {
				Name  string
				Query json.RawMessage
			}
		}
	}
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &board); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$channel", ".*")
	var queries []panelQuery
	for _, p := range board.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q asks nothing", p.Title)
		}
		for _, target := range p.Targets {
			queries = append(queries, panelQuery{p.Title, fill.Replace(target.Expr), target.LegendFormat})
		}
	}
	for _, v := range board.Templating.List {
		var query struct{ Query string }
		if json.Unmarshal(v.Query, &query) != nil {
			continue // the data source's is a plain word
		}
		metric, found := strings.CutPrefix(query.Query, "label_values(")
		at := strings.LastIndex(metric, ", ")
		if !found || at < 0 {
			t.Errorf("variable %s asks %q", v.Name, query.Query)
			continue
		}
		label := strings.TrimSuffix(metric[at+2:], ")")
		queries = append(queries, panelQuery{"variable " + v.Name, fill.Replace(metric[:at]), "{{" + label + "}}"})
	}
	if len(queries) == 0 {
		t.Fatal("the dashboard asks nothing: the test reads the wrong place")
	}
	return queries
}
