//go:build deploy

package deploy

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// command runs a program and gives what it prints.
func command(t *testing.T, name string, args ...string) (output string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err = c.Run()
	return out.String(), err
}

// must runs a program that has to succeed.
func must(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := command(t, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// TestRules lets promtool read the rules and run their tests.
func TestRules(t *testing.T) {
	if out := must(t, "promtool", "check", "rules", filepath.Join(root, rulesFile)); !strings.Contains(out, fmt.Sprint(len(readAlerts(t)), " rules found")) {
		t.Errorf("promtool says\n%s", out)
	}
	must(t, "promtool", "test", "rules", filepath.Join(root, ruleTestsFile))
}

// threshold finds the limits of the rules, each of which some test has to notice.
var threshold = regexp.MustCompile(`(?m) (>|<|==|!=) ([0-9.]+|sum)|for: ([0-9]+)(m|h)`)

// TestRuleTestsBite moves one limit after the other, and each time the alert's
// own tests have to object.
func TestRuleTestsBite(t *testing.T) {
	var tests map[string]any
	readYAML(t, ruleTestsFile, &tests)
	sections := strings.Split(read(t, rulesFile), "      - alert: ")
	for i, section := range sections[1:] {
		name, _, _ := strings.Cut(section, "\n")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := threshold.FindAllStringIndex(section, -1)
			if len(limits) == 0 {
				t.Error("no limit found")
			}
			dir := t.TempDir()
			file := filepath.Join(dir, "test.yml")
			write(t, file, testsOf(t, tests, name))
			passes := func(section string) bool {
				changed := slices.Clone(sections)
				changed[i+1] = section
				write(t, filepath.Join(dir, filepath.Base(rulesFile)), strings.Join(changed, "      - alert: "))
				_, err := command(t, "promtool", "test", "rules", file)
				return err == nil
			}
			if !passes(section) {
				t.Fatal("its own tests fail")
			}
			for _, at := range limits {
				limit := section[at[0]:at[1]]
				if passes(section[:at[0]] + spoilt(limit) + section[at[1]:]) {
					t.Errorf("with %q for %q in\n%s\nevery test passes", spoilt(limit), limit, section)
				}
			}
		})
	}
}

// testsOf leaves one alert's tests, as reading all takes seconds.
func testsOf(t *testing.T, file map[string]any, name string) string {
	t.Helper()
	less := maps.Clone(file)
	all, _ := file["tests"].([]any)
	var own []any
	for _, test := range all {
		rules, _ := test.(map[string]any)["alert_rule_test"].([]any)
		if len(rules) > 0 && rules[0].(map[string]any)["alertname"] == name {
			own = append(own, test)
		}
	}
	less["tests"] = own
	text, err := yaml.Marshal(less)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// spoilt gives another limit.
func spoilt(text string) string {
	switch {
	case strings.HasPrefix(text, "for: "):
		return "for: 100h"
	case strings.Contains(text, ">"):
		return strings.Replace(text, ">", "> 1e9 +", 1)
	case strings.Contains(text, "<"):
		return strings.Replace(text, "<", "< -1e9 *", 1)
	case strings.Contains(text, "=="):
		return strings.Replace(text, "==", "!=", 1)
	default:
		return strings.Replace(text, "!=", "==", 1)
	}
}

// TestDashboardQueriesParse: the Prometheus of this system reads every query,
// as well as the parser of the other tests.
func TestDashboardQueriesParse(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	for i, q := range readQueries(t) {
		fmt.Fprintf(&rules, "      - record: panel:%d\n        expr: %s\n", i, strconv.Quote(q.Expr))
	}
	path := filepath.Join(t.TempDir(), "rules.yml")
	write(t, path, rules.String())
	must(t, "promtool", "check", "rules", path)
}

// TestPrometheusConfig: promtool reads the compose file's Prometheus
// configuration where the container has it.
func TestPrometheusConfig(t *testing.T) {
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	write(t, token, "made-up")
	text := read(t, composeFolder+"prometheus.yml")
	replaced := strings.ReplaceAll(text, "/run/secrets/private_token", token)
	if replaced == text {
		t.Error("the token is not read from the secret")
	}
	write(t, filepath.Join(dir, "prometheus.yml"), replaced)
	write(t, filepath.Join(dir, filepath.Base(rulesFile)), read(t, rulesFile))
	must(t, "promtool", "check", "config", filepath.Join(dir, "prometheus.yml"))
}

// exposure is the worst that `systemd-analyze security` may say of the unit, out
// of 10. The rest is the network it is there for.
const exposure = 1.5

const unitFile = "deploy/systemd/servicelink.service"

// TestUnitHardening asks systemd how much the service is exposed.
func TestUnitHardening(t *testing.T) {
	out := must(t, "systemd-analyze", "--offline=true", "--no-pager", fmt.Sprintf("--threshold=%d", int(exposure*10)), "security", filepath.Join(root, unitFile))
	m := regexp.MustCompile(`exposure level for servicelink.service: ([0-9.]+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("systemd-analyze says\n%s", out)
	}
	if got, err := strconv.ParseFloat(m[1], 64); err != nil || got > exposure {
		t.Errorf("exposure %s, at most %v is allowed\n%s", m[1], exposure, out)
	}
}

// TestUnitVerifies lets systemd read the unit, with the program where the unit
// wants it, and make the user.
func TestUnitVerifies(t *testing.T) {
	dir := t.TempDir()
	unit := filepath.Join(dir, "servicelink.service")
	text := read(t, unitFile)
	program := filepath.Join(dir, "servicelink")
	write(t, program, "")
	if err := os.Chmod(program, 0o700); err != nil {
		t.Fatal(err)
	}
	placed := strings.Replace(text, "/usr/local/bin/servicelink", program, 1)
	if placed == text {
		t.Error("the unit does not start /usr/local/bin/servicelink")
	}
	write(t, unit, placed)
	if out := must(t, "systemd-analyze", "verify", "--man=no", unit); strings.Contains(out, "servicelink") {
		t.Errorf("systemd-analyze says\n%s", out)
	}
	// A mistake is noticed.
	write(t, unit, strings.Replace(placed, "ProtectSystem=strict", "ProtectSystm=strict", 1))
	if out, _ := command(t, "systemd-analyze", "verify", "--man=no", unit); !strings.Contains(out, "ProtectSystm") {
		t.Errorf("of a mistake systemd-analyze says\n%s", out)
	}

	tree := t.TempDir()
	if err := os.MkdirAll(filepath.Join(tree, "etc/sysusers.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(tree, "etc/sysusers.d/servicelink.conf"), read(t, "deploy/systemd/servicelink.sysusers.conf"))
	must(t, "systemd-sysusers", "--root="+tree)
	passwd, err := os.ReadFile(filepath.Join(tree, "etc/passwd"))
	if err != nil || !strings.Contains(string(passwd), "servicelink:x:") {
		t.Errorf("the unit's user is not made: %v\n%s", err, passwd)
	}
}
