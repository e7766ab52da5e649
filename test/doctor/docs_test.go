package doctor

import (
	"os"
	"strings"
	"testing"

	"servicelink/connectors"
)

// TestDocs: every fault and every check stands in docs/doctor.md, and no other fault
// does.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	_, faults, _ := strings.Cut(string(text), "\n## The faults\n")
	for _, section := range strings.Split(faults, "\n### ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		told[name] = body
	}
	for _, f := range connectors.Faults {
		if body := told[string(f)]; !strings.Contains(body, "**Looks like:**") || !strings.Contains(body, "**Cure:**") {
			t.Errorf("docs/doctor.md does not say what %s looks like and what helps", f)
		}
		delete(told, string(f))
	}
	for name := range told {
		t.Errorf("docs/doctor.md tells of %s, which nothing reports", name)
	}
	for _, c := range connectors.Checks {
		if !strings.Contains(string(text), "`"+string(c)+"`") {
			t.Errorf("docs/doctor.md does not tell of the check %s", c)
		}
	}
}
