package proc

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Metrics are the lines of a metrics page at one moment.
type Metrics []string

// Scrape reads the metrics of the gateway whose private listener is at address.
func Scrape(ctx context.Context, client *http.Client, address string) (Metrics, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("metrics: %s", resp.Status)
	}
	var m Metrics
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		m = append(m, lines.Text())
	}
	return m, lines.Err()
}

// Sum adds up every series of a metric that has all of the given labels,
// written as name="value"; n is how many there are.
func (m Metrics) Sum(name string, labels ...string) (total float64, n int) {
	for _, line := range m {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest == "" || (rest[0] != '{' && rest[0] != ' ') || !holdsAll(rest, labels) {
			continue
		}
		if value, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64); err == nil {
			total += value
			n++
		}
	}
	return total, n
}

func holdsAll(line string, labels []string) bool {
	for _, l := range labels {
		if !strings.Contains(line, l) {
			return false
		}
	}
	return true
}

// Ledger is the journal's account of one channel and direction.
type Ledger struct {
	Accepted int64 `json:"accepted"`
	Requeued int64 `json:"requeued"`
	Done     int64 `json:"done"`
	Dead     int64 `json:"dead"`
	Pending  int64 `json:"pending"`
}

// Balanced says whether what came in is what went out and what is left.
func (l Ledger) Balanced() bool { return l.Accepted+l.Requeued == l.Done+l.Dead+l.Pending }

// Ledger reads servicelink_ledger. An error says that it is not there.
func (m Metrics) Ledger(channel, direction string) (l Ledger, err error) {
	for state, count := range map[string]*int64{
		"accepted": &l.Accepted, "requeued": &l.Requeued, "done": &l.Done, "dead": &l.Dead, "pending": &l.Pending,
	} {
		value, n := m.Sum("servicelink_ledger", fmt.Sprintf("channel=%q", channel),
			fmt.Sprintf("direction=%q", direction), fmt.Sprintf("state=%q", state))
		if n != 1 {
			return l, fmt.Errorf("the ledger of %s, %s has %d series for %s", channel, direction, n, state)
		}
		*count = int64(value)
	}
	return l, nil
}
