package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"servicelink/gateway/journal"
)

// fakeDead is the part of a journal that the API uses: rows 7 and 8 are dead,
// 9 is not.
type fakeDead struct {
	journal.Journal
	rows                []journal.Row
	asked               journal.DeadQuery
	requeued, discarded []int64
	fail                error
}

func newFakeDead() *fakeDead {
	f := &fakeDead{}
	for _, seq := range []int64{8, 7} {
		f.rows = append(f.rows, journal.Row{
			Seq: seq, State: journal.Dead, Reason: "blocked", AcceptedAt: time.Unix(100, 0).UTC(), EndedAt: time.Unix(200, 0).UTC(),
			Entry: journal.Entry{
				Lane:    journal.Lane{Channel: "shop", Direction: journal.Out, TrackingID: "tracking-PLANTED"},
				ID:      fmt.Sprintf("m%d", seq),
				Content: []byte("text-PLANTED"),
			},
		})
	}
	return f
}

func (f *fakeDead) Dead(_ context.Context, q journal.DeadQuery) ([]journal.Row, error) {
	f.asked = q
	return f.rows[:min(q.Limit, len(f.rows))], f.fail
}

func (f *fakeDead) Requeue(_ context.Context, seq int64) error {
	f.requeued = append(f.requeued, seq)
	return f.act(seq)
}

func (f *fakeDead) Discard(_ context.Context, seq int64) error {
	f.discarded = append(f.discarded, seq)
	return f.act(seq)
}

func (f *fakeDead) act(seq int64) error {
	switch {
	case f.fail != nil:
		return f.fail
	case seq == 9:
		return fmt.Errorf("row 9: %w", journal.ErrNotDead)
	case seq > 9:
		return journal.ErrNotFound
	default:
		return nil
	}
}

func TestDeadList(t *testing.T) {
	t.Parallel()
	const (
		row8 = `{"accepted":"1970-01-01T00:01:40Z","attempts":0,"bytes":12,"channel":"shop","direction":"out","ended":"1970-01-01T00:03:20Z","hint":"","id":"m8","reason":"blocked","seq":8,"state":"dead","tracking":"749d7cab"}`
		row7 = `{"accepted":"1970-01-01T00:01:40Z","attempts":0,"bytes":12,"channel":"shop","direction":"out","ended":"1970-01-01T00:03:20Z","hint":"","id":"m7","reason":"blocked","seq":7,"state":"dead","tracking":"749d7cab"}`
		bad  = `{"error":"bad query: channel, before (a seq), limit (1 to 1000)"}`
	)
	for _, tc := range []struct {
		query  string
		status int
		body   string
		asked  journal.DeadQuery
	}{
		{"", 200, `{"dead":[` + row8 + `,` + row7 + `]}`, journal.DeadQuery{Limit: 100}},
		{"?limit=2", 200, `{"dead":[` + row8 + `,` + row7 + `],"next_before":7}`, journal.DeadQuery{Limit: 2}},
		{"?limit=1", 200, `{"dead":[` + row8 + `],"next_before":8}`, journal.DeadQuery{Limit: 1}},
		{"?channel=shop&before=9&limit=1000", 200, `{"dead":[` + row8 + `,` + row7 + `]}`, journal.DeadQuery{Channel: "shop", Before: 9, Limit: 1000}},
		{"?limit=0", 400, bad, journal.DeadQuery{}},
		{"?limit=1001", 400, bad, journal.DeadQuery{}},
		{"?limit=-1", 400, bad, journal.DeadQuery{}},
		{"?limit=x", 400, bad, journal.DeadQuery{}},
		{"?before=0", 400, bad, journal.DeadQuery{}},
		{"?before=99999999999999999999", 400, bad, journal.DeadQuery{}},
		{"?chanel=shop", 400, bad, journal.DeadQuery{}},
		{"?channel=a&channel=b", 400, bad, journal.DeadQuery{}},
		{"?a;b", 400, bad, journal.DeadQuery{}},
	} {
		rig := newPrivateRig("")
		res := rig.call("GET", "/api/v1/dead"+tc.query)
		body := strings.TrimSpace(res.Body.String())
		if res.Code != tc.status || body != tc.body {
			t.Errorf("%s:\ngot  %d %s\nwant %d %s", tc.query, res.Code, body, tc.status, tc.body)
		}
		if rig.journal.asked != tc.asked {
			t.Errorf("%s: the journal was asked for %+v, want %+v", tc.query, rig.journal.asked, tc.asked)
		}
	}
}

func TestDeadListEmpty(t *testing.T) {
	t.Parallel()
	rig := newPrivateRig("")
	rig.journal.rows = nil
	if body := rig.call("GET", "/api/v1/dead?limit=1").Body.String(); body != "{\"dead\":[]}\n" {
		t.Errorf("an empty list is %s", body)
	}
}

// TestDeadActions: each call does what it says to one row and leaves a line
// that says who did what to which row and how it ended.
func TestDeadActions(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"requeue", "discard"} {
		for _, tc := range []struct {
			seq    string
			fail   error
			status int
			body   string
			result string // in the log; empty = nothing was done
		}{
			{"7", nil, 200, `{"action":"` + action + `","seq":7}`, "done"},
			{"9", nil, 409, `{"error":"not a dead letter"}`, "not a dead letter"},
			{"10", nil, 404, `{"error":"no such row"}`, "no such row"},
			{"7", journal.ErrFull, 503, `{"error":"journal is full"}`, "journal is full"},
			{"7", fmt.Errorf("disk: %w", journal.ErrAway), 503, `{"error":"journal is not available"}`, "journal is not available"},
			{"7", context.DeadlineExceeded, 503, `{"error":"journal is not available"}`, "journal is not available"},
			{"7", errors.New("odd"), 500, `{"error":"failed"}`, "failed"},
			{"0", nil, 400, `{"error":"seq must be a positive number"}`, ""},
			{"-7", nil, 400, `{"error":"seq must be a positive number"}`, ""},
			{"x", nil, 400, `{"error":"seq must be a positive number"}`, ""},
			{"99999999999999999999", nil, 400, `{"error":"seq must be a positive number"}`, ""},
		} {
			rig := newPrivateRig("")
			rig.journal.fail = tc.fail
			res := rig.call("POST", "/api/v1/dead/"+tc.seq+"/"+action)
			body := strings.TrimSpace(res.Body.String())
			if res.Code != tc.status || body != tc.body {
				t.Errorf("%s %s: %d %s, want %d %s", action, tc.seq, res.Code, body, tc.status, tc.body)
			}
			done := map[string][]int64{"requeue": rig.journal.requeued, "discard": rig.journal.discarded}
			if tc.result == "" {
				if len(done[action]) != 0 || rig.logs.Len() != 0 {
					t.Errorf("%s %s: rows %v, log %s; want neither", action, tc.seq, done[action], rig.logs)
				}
				continue
			}
			if fmt.Sprint(done[action]) != "["+tc.seq+"]" || len(done["requeue"])+len(done["discard"]) != 1 {
				t.Errorf("%s %s: done %v", action, tc.seq, done)
			}
			line := rig.logs.String()
			for _, part := range []string{`msg="admin action"`, "action=" + action, "seq=" + tc.seq, "remote=192.0.2.1:1234", tc.result} {
				if !strings.Contains(line, part) {
					t.Errorf("%s %s: the log lacks %s: %s", action, tc.seq, part, line)
				}
			}
		}
	}
}

// TestDeadActionOutlivesCaller: a caller who hangs up does not leave the row
// half done.
func TestDeadActionOutlivesCaller(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var seen error
	h := actOn("requeue", discardLog, func(ctx context.Context, _ int64) error {
		seen = ctx.Err()
		return nil
	})
	serveSeq(ctx, h, "7")
	if seen != nil {
		t.Errorf("the action ran with a context that had ended: %v", seen)
	}
}

// serveSeq calls h as if the router had found seq in the path.
func serveSeq(ctx context.Context, h http.Handler, seq string) {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", nil)
	r.SetPathValue("seq", seq)
	h.ServeHTTP(httptest.NewRecorder(), r)
}
