package deploy

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// metricName finds our metrics in documents.
var metricName = regexp.MustCompile(`\bservicelink_[a-z0-9_]+\b`)

// TestQueriesAgainstMetrics: what alerts and dashboard ask for, a running
// gateway has; what they show of it, the answer has.
func TestQueriesAgainstMetrics(t *testing.T) {
	have := scrape(t)
	for _, a := range readAlerts(t) {
		result, faults := judge(a.Expr, have)
		for _, fault := range faults {
			t.Errorf("alert %s: %v", a.Name, fault)
		}
		for _, name := range unknownLabels(a.Annotations["summary"], result) {
			t.Errorf("alert %s: its summary shows the label %s, which its result has not", a.Name, name)
		}
	}
	for _, q := range readQueries(t) {
		result, faults := judge(q.Expr, have)
		for _, fault := range faults {
			t.Errorf("panel %s: %v", q.Panel, fault)
		}
		for _, name := range unknownLabels(q.Legend, result) {
			t.Errorf("panel %s: its legend shows the label %s, which %s has not", q.Panel, name, q.Expr)
		}
	}
	for _, document := range []string{"README.md", runbookFile, "docs/mail.md"} {
		for _, name := range metricName.FindAllString(read(t, document), -1) {
			if have[name] == nil && have[name+"_bucket"] == nil {
				t.Errorf("%s names %s, which a gateway has not", document, name)
			}
		}
	}
}

// TestDashboardRows: what an SRE looks for has its place.
func TestDashboardRows(t *testing.T) {
	text := read(t, dashboardFile)
	for _, row := range []string{"Traffic", "Backlog", "Ledger", "Outcomes by reason", "Link to the core", "Journal", "Channels", "Messages"} {
		if !strings.Contains(text, `"title": "`+row+`"`) {
			t.Errorf("the dashboard has no row %q", row)
		}
	}
	asked := ""
	for _, q := range readQueries(t) {
		asked += q.Expr + "\n"
	}
	for _, name := range []string{"servicelink_oldest_pending_seconds", "servicelink_dead_total", "servicelink_send_attempts_total", "servicelink_journal_bytes"} {
		if !strings.Contains(asked, name) {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
}

// severities are what the pager's routes may rely on.
var severities = []string{"critical", "warning"}

// TestRunbook: every alert says where to read on, and there it stands; nothing
// stands there that no alert leads to.
func TestRunbook(t *testing.T) {
	book := read(t, runbookFile)
	entries := map[string]string{}
	for _, section := range strings.Split(book, "\n### ")[1:] {
		title, text, _ := strings.Cut(section, "\n")
		text, _, _ = strings.Cut(text, "\n## ")
		entries[title] = text
	}
	names := map[string]bool{}
	for _, a := range readAlerts(t) {
		names[a.Name] = true
		if !slices.Contains(severities, a.Labels["severity"]) {
			t.Errorf("%s has severity %q", a.Name, a.Labels["severity"])
		}
		if want := runbookFile + "#" + strings.ToLower(a.Name); a.Annotations["runbook_url"] != want {
			t.Errorf("%s has runbook_url %q, want %q", a.Name, a.Annotations["runbook_url"], want)
		}
		for _, part := range []string{"Means", "See", "Do", "Over"} {
			if !strings.Contains(entries[a.Name], "\n- **"+part+":** ") {
				t.Errorf("%s has no entry in the runbook that says %q", a.Name, part)
			}
		}
	}
	for title := range entries {
		if !names[title] {
			t.Errorf("the runbook has an entry %q, and no alert leads there", title)
		}
	}
	for _, link := range regexp.MustCompile(`\(#([a-z-]+)\)|"?alertname=~?"?([A-Za-z|]+)`).FindAllStringSubmatch(book, -1) {
		for word := range strings.SplitSeq(link[1]+link[2], "|") {
			if !slices.ContainsFunc(readAlerts(t), func(a alert) bool { return strings.EqualFold(a.Name, word) }) {
				t.Errorf("the runbook points to %q, which is no alert", word)
			}
		}
	}
}

// TestEveryAlertIsTested: promtool runs the tests; here it is seen that each
// alert is tested to fire and not to.
func TestEveryAlertIsTested(t *testing.T) {
	var file struct {
		Tests []struct {
			Rules []struct {
				Alert  string           `yaml:"alertname"`
				Expect []map[string]any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		} `yaml:"tests"`
	}
	readYAML(t, ruleTestsFile, &file)
	fires, rests := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, rule := range test.Rules {
			if len(rule.Expect) > 0 {
				fires[rule.Alert] = true
			} else {
				rests[rule.Alert] = true
			}
		}
	}
	for _, a := range readAlerts(t) {
		if !fires[a.Name] || !rests[a.Name] {
			t.Errorf("%s is tested to fire: %t, and not to: %t", a.Name, fires[a.Name], rests[a.Name])
		}
	}
}
