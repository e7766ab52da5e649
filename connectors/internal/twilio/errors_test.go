package twilio

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
)

// tableRow is a row of the table of errors as it was written down from Twilio's
// documentation.
type tableRow struct {
	codes       []int
	class, todo string
}

// classes say what a class of the table is here: every code of a row must have one of
// them.
var classes = map[string][]rule{
	"rate":                               {{outcome: connectors.NotSent, reason: connectors.ReasonRate}},
	"rate / congestion":                  {{outcome: connectors.NotSent, reason: connectors.ReasonRate, wait: aWhile}},
	"queue of this From > 10 h":          {{outcome: connectors.NotSent, reason: connectors.ReasonRate, wait: untilDrain}},
	"daily cap":                          {{outcome: connectors.NotSent, reason: connectors.ReasonRate, wait: untilTomorrow}},
	"**window closed**":                  {{outcome: connectors.Rejected, reason: connectors.ReasonWindow}},
	"transient":                          {{outcome: connectors.Unknown, reason: connectors.ReasonServer}, {outcome: connectors.NotSent, reason: connectors.ReasonServer}},
	"handset off / unreachable":          {{outcome: connectors.NotSent, reason: connectors.ReasonTimeout, wait: aWhile}},
	"media fault":                        {{outcome: connectors.Rejected, reason: connectors.ReasonContent}, {outcome: connectors.Rejected, reason: connectors.ReasonFile}},
	"auth / account":                     {{outcome: connectors.NotSent, reason: connectors.ReasonAuth}},
	"opted out / blocked":                {{outcome: connectors.Rejected, reason: connectors.ReasonBlocked}},
	"bad or unreachable recipient":       {{outcome: connectors.Rejected, reason: connectors.ReasonNotFound}},
	"sender set-up":                      {{outcome: connectors.Rejected, reason: connectors.ReasonAuth}},
	"blocked by policy, filter, country": {{outcome: connectors.Rejected, reason: connectors.ReasonBlocked}},
	"content / template":                 {{outcome: connectors.Rejected, reason: connectors.ReasonContent}},
	"user in a WhatsApp experiment":      {{outcome: connectors.Rejected, reason: connectors.ReasonBlocked}},
	"sandbox: recipient has not joined":  {{outcome: connectors.Rejected, reason: connectors.ReasonBlocked}},
	"*your* webhook failed":              {{outcome: connectors.Unknown, reason: connectors.ReasonServer}},
	"trial account":                      {{outcome: connectors.Rejected, reason: connectors.ReasonBlocked}},
}

var codeForm = regexp.MustCompile(`\b(\d{5})(?:–(\d{5}))?\b`)

// table reads the rows of testdata/errors.md.
func table(t *testing.T) (rows []tableRow) {
	t.Helper()
	raw, err := os.ReadFile("testdata/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 3 || strings.HasPrefix(cells[0], "--") || strings.TrimSpace(cells[0]) == "codes" {
			continue
		}
		row := tableRow{class: strings.TrimSpace(cells[1]), todo: strings.TrimSpace(cells[2])}
		for _, m := range codeForm.FindAllStringSubmatch(cells[0], -1) {
			first, _ := strconv.Atoi(m[1])
			last := first
			if m[2] != "" {
				last, _ = strconv.Atoi(m[2])
			}
			for code := first; code <= last; code++ {
				row.codes = append(row.codes, code)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// TestEveryCode: every code of the table is a rule of its class with a hint, and no
// rule is about a code that is not in it.
func TestEveryCode(t *testing.T) {
	rows := table(t)
	if len(rows) != len(classes) {
		t.Fatalf("%d rows, %d classes", len(rows), len(classes))
	}
	seen := map[int]bool{}
	for _, row := range rows {
		want := classes[row.class]
		if len(want) == 0 || len(row.codes) == 0 {
			t.Errorf("the class %q of %d codes is not known here", row.class, len(row.codes))
		}
		for _, code := range row.codes {
			seen[code] = true
			r, ok := ruleOf[code]
			if !ok || r.hint == "" {
				t.Errorf("%d (%s) has no rule, or no hint", code, row.class)
			}
			if !slices.ContainsFunc(want, func(w rule) bool {
				return w.outcome == r.outcome && w.reason == r.reason && (w.wait == r.wait || code == 20429)
			}) {
				t.Errorf("%d (%s) is %s %s", code, row.class, r.outcome, r.reason)
			}
		}
	}
	n := 0
	for _, r := range rules {
		for _, code := range r.codes {
			if n++; !seen[code] {
				t.Errorf("%d is in no row", code)
			}
		}
	}
	if n != len(ruleOf) || n < 90 {
		t.Errorf("%d codes, %d rules: one stands twice, or many are missing", n, len(ruleOf))
	}
}

func TestWaits(t *testing.T) {
	for _, tc := range []struct {
		at   string
		want time.Duration
	}{
		{"2026-11-22T18:00:00Z", 6 * time.Hour},
		{"2026-11-22T00:00:00Z", 24 * time.Hour},
		{"2026-11-22T23:59:59Z", leastDay},
		{"2026-11-22T23:00:00-05:00", 20 * time.Hour},
	} {
		now, err := time.Parse(time.RFC3339, tc.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := ruleOf[63038].sendError(63038, now).RetryAfter; got != tc.want {
			t.Errorf("at %s a daily cap waits %v, want %v", tc.at, got, tc.want)
		}
	}
	if got := ruleOf[21611].sendError(21611, time.Now()).RetryAfter; got != drain {
		t.Errorf("a full queue waits %v", got)
	}
}

// TestFailures: what a status call gives no reason for, or one that nobody knows, is
// still a failure.
func TestFailures(t *testing.T) {
	for code, want := range map[int]string{0: "", 99999: "99999", 63016: "63016"} {
		if se := failure(code); se.Code != want || se.Err == nil {
			t.Errorf("%d: %+v", code, se)
		}
	}
}
