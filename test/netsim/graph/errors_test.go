package graph

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"servicelink/test/netsim/control"
)

func atoi(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	must(t, err)
	return n
}

// TestCodes: every code can be ordered, is answered in the network's form, once, and
// nothing is sent.
func TestCodes(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.act(control.Action{Do: "text", Text: "x"})
		hi := toAnn(j{"text": "hi"})
		for code := range texts {
			if code == [2]int{1, 1357046} {
				continue
			}
			must(t, s.Fault(control.Fault{Kind: control.Refuse, Code: code[0], Subcode: code[1], Times: 1, Method: "send"}))
			v := s.wants(code[0], code[1], "POST", sendPath, hi)
			for _, member := range []string{"message", "type", "fbtrace_id"} {
				if text, _ := v.in("error", member).(string); text == "" {
					t.Errorf("%v has no %s: %v", code, member, v)
				}
			}
			if (v.in("error", "is_transient") == true) != (code[0] == 2) {
				t.Errorf("%v: %v", code, v)
			}
		}
		if len(s.seen().Messages) != 1 {
			t.Error("something was sent")
		}
		s.wants(0, 0, "POST", sendPath, hi)
		must(t, s.Fault(control.Fault{Kind: control.Refuse, Code: 4242, Subcode: 17, Times: 1}))
		s.wants(4242, 17, "GET", "/v25.0/me", nil)
	})
}

// TestLie: the one error after which everything was sent.
func TestLie(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.act(control.Action{Do: "text", Text: "x"})
		must(t, s.Fault(control.Fault{Kind: control.Refuse, Code: 1, Subcode: 1357046, Times: 2}))
		s.wants(1, 1357046, "POST", sendPath, toAnn(j{"text": "hi", "metadata": "m"}))
		s.wants(100, 2018034, "POST", sendPath, toAnn(j{"text": ""})) // it hides no other one
		time.Sleep(statusPause)
		if m := s.seen().Messages; len(m) != 2 || s.last().in("message", "metadata") != "m" {
			t.Errorf("seen %+v, last %v", m, s.last())
		}
	})
}

// TestFaults: what the general faults are here.
func TestFaults(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.act(control.Action{Do: "text", Text: "x"})
		for _, tc := range []struct {
			fault         control.Fault
			code, subcode int
		}{
			{control.Fault{Kind: control.Rate}, 613, 0},
			{control.Fault{Kind: control.Rate, Code: 80006}, 80006, 0},
			{control.Fault{Kind: control.Server}, 2, 0},
			{control.Fault{Kind: control.Unauthorized}, 190, 463},
			{control.Fault{Kind: control.Unauthorized, Code: 190, Subcode: 460}, 190, 460},
			{control.Fault{Kind: control.Conflict}, 10, 2018300},
			{control.Fault{Kind: control.Blocked}, 551, 1545041},
			{control.Fault{Kind: control.Refuse}, 10, 2018278},
			{control.Fault{Kind: control.Missing}, 100, 33},
		} {
			tc.fault.Times = 1
			must(t, s.Fault(tc.fault))
			s.wants(tc.code, tc.subcode, "POST", sendPath, toAnn(j{"text": "hi"}))
		}
		must(t, s.Fault(control.Fault{Kind: control.HTML, Times: 1}))
		answer := s.do("POST", sendPath, toAnn(j{"text": "hi"}), "Authorization", "Bearer "+pageToken)
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusBadGateway || answer.Header.Get("Content-Type") != "text/html" {
			t.Errorf("a page: %d %v", answer.StatusCode, answer.Header)
		}
		if len(s.seen().Messages) != 1 {
			t.Error("something was sent")
		}
	})
}

// TestUsage: every answer tells how much of the limits is used, and a rate that is
// over tells for how long.
func TestUsage(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.act(control.Action{Do: "text", Text: "x"})
		for _, tc := range []struct {
			fault             *control.Fault
			app, page, regain int
		}{
			{nil, 1, 1, 0},
			{&control.Fault{Kind: control.Rate, RetryAfter: 61}, 1, 100, 2},
			{&control.Fault{Kind: control.Rate, Code: 4, RetryAfter: 600}, 100, 1, 10},
			{&control.Fault{Kind: control.Server}, 1, 1, 0},
		} {
			if tc.fault != nil {
				tc.fault.Times = 1
				must(t, s.Fault(*tc.fault))
			}
			answer := s.do("POST", sendPath, toAnn(j{"text": "hi"}), "Authorization", "Bearer "+pageToken)
			_ = answer.Body.Close()
			var app struct {
				Calls int `json:"call_count"`
			}
			var pages map[string][]struct {
				Type   string `json:"type"`
				Calls  int    `json:"call_count"`
				Regain int    `json:"estimated_time_to_regain_access"`
			}
			must(t, json.Unmarshal([]byte(answer.Header.Get("X-App-Usage")), &app))
			must(t, json.Unmarshal([]byte(answer.Header.Get("X-Business-Use-Case-Usage")), &pages))
			if got := fmt.Sprint(app.Calls, pages[shop][0].Calls, pages[shop][0].Regain, pages[shop][0].Type); got != fmt.Sprint(tc.app, tc.page, tc.regain, "messenger") {
				t.Errorf("%+v: %s", tc.fault, got)
			}
		}
	})
}

// TestRate: more messages a second than are allowed are refused, until time passes.
func TestRate(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.act(control.Action{Do: "text", Text: "x"})
		s.set(`{"per_second":2}`)
		hi := toAnn(j{"text": "hi"})
		s.wants(0, 0, "POST", sendPath, hi)
		s.wants(0, 0, "POST", sendPath, hi)
		s.wants(613, 0, "POST", sendPath, hi)
		time.Sleep(500 * time.Millisecond)
		s.wants(0, 0, "POST", sendPath, hi)
		s.wants(613, 0, "POST", sendPath, hi)
	})
}

// TestClock: the network's clock can be off.
func TestClock(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		must(t, s.Fault(control.Fault{Kind: control.Clock, Shift: -600}))
		answer := s.do("GET", "/v25.0/me", nil, "Authorization", "Bearer "+pageToken)
		_ = answer.Body.Close()
		at, err := http.ParseTime(answer.Header.Get("Date"))
		must(t, err)
		if off := time.Since(at); off < 599*time.Second || off > 602*time.Second {
			t.Errorf("it is off by %v", off)
		}
	})
}

// TestRecord: what was asked can be looked up, and what was answered.
func TestRecord(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.act(control.Action{Do: "text", Text: "x"})
		s.send(j{"text": "hi"})
		got := s.Requests(control.Filter{Account: shop, Method: "send"})
		if len(got) != 1 || got[0].Params["message"] != `{"text":"hi"}` || got[0].Params["messaging_type"] != "RESPONSE" || got[0].Status != 200 ||
			!strings.Contains(got[0].Answer, "message_id") {
			t.Errorf("recorded %+v", got)
		}
	})
}
