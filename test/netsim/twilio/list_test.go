package twilio

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/test/netsim/control"
)

// bodies are the texts of a list of messages.
func bodies(a answer) string {
	var list []string
	for _, m := range a.JSON["messages"].([]any) {
		list = append(list, m.(map[string]any)["body"].(string))
	}
	return strings.Join(list, " ")
}

// TestPages: the latest first, and what comes meanwhile moves nothing.
func TestPages(t *testing.T) {
	s := newServer(t, nil)
	n := s.SMS()
	for i := range 5 {
		act(t, n, control.Action{Do: "text", Text: fmt.Sprint("in", i)})
		send(t, n, "Body", fmt.Sprint("out", i))
	}
	act(t, s.WhatsApp(), control.Action{Do: "text", Text: "other"})
	next, pages := messages+".json?PageSize=2&To=%2B420800123456", ""
	for next != "" {
		a := ask(t, s, "GET", next)
		if a.Status != 200 || a.JSON["page_size"] != float64(2) {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		pages += bodies(a) + ", "
		next, _ = a.JSON["next_page_uri"].(string)
		act(t, n, control.Action{Do: "text", Text: "new"})
	}
	if pages != "in4 in3, in2 in1, in0, " {
		t.Errorf("pages %s", pages)
	}
	if got := bodies(ask(t, s, "GET", messages+".json", "From", ours, "To", ann)); got != "out4 out3 out2 out1 out0" {
		t.Errorf("sent %s", got)
	}
	if got := bodies(ask(t, s, "GET", messages+".json", "To", "whatsapp:"+ours)); got != "other" {
		t.Errorf("to WhatsApp %s", got)
	}
	if got := bodies(ask(t, s, "GET", messages+".json")); strings.Count(got, " ") != 13 {
		t.Errorf("all: %s", got)
	}
	for _, bad := range []string{"PageToken=PAx", "DateSent>=yesterday", "DateSent<=x", "DateSent=x"} {
		if a := ask(t, s, "GET", messages+".json?"+bad); a.Status != 400 {
			t.Errorf("%s: %d", bad, a.Status)
		}
	}
}

// TestDates: bounds are part of a parameter's name, inclusive, and go by seconds.
func TestDates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil) // it is midnight, 1 January 2000
		<-time.After(500 * time.Millisecond)
		for i := range 3 {
			act(t, s.SMS(), control.Action{Do: "text", Text: fmt.Sprint(i)})
			<-time.After(12 * time.Hour)
		}
		for query, want := range map[string]string{
			"DateSent=2000-01-01":            "1 0",
			"DateSent=2000-01-01T12:00:00Z":  "1",
			"DateSent%3E=2000-01-02":         "2",
			"DateSent>=2000-01-01T12:00:00Z": "2 1",
			"DateSent>=2000-01-01T12:00:01Z": "2",
			"DateSent<=2000-01-01T12:00:00Z": "1 0",
			"DateSent<=2000-01-02":           "2 1 0",
			"DateSent>=2001-01-01":           "",

			"DateSent>=2000-01-01 12:00:00&DateSent<=2000-01-01T13:00:00%2B01:00": "1",
		} {
			if got := bodies(ask(t, s, "GET", messages+".json?"+strings.ReplaceAll(query, " ", "+"))); got != want {
				t.Errorf("%s: %q, want %q", query, got, want)
			}
		}
	})
}

// TestResource: numbers are strings, what is not there is null, and times are as in
// mail.
func TestResource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		n := s.WhatsApp()
		must(t, n.Set([]byte(`{"status_seconds":10}`)))
		sid := send(t, n, "Body", "x").JSON["sid"].(string)
		at := messages + "/" + sid + ".json"
		has := func(parts ...string) {
			t.Helper()
			a := ask(t, s, "GET", at)
			for _, part := range parts {
				if a.Status != 200 || !strings.Contains(a.Body, part) {
					t.Errorf("%d, no %s in %s", a.Status, part, a.Body)
				}
			}
		}
		has(`"status":"queued"`, `"date_sent":null`, `"date_created":"Sat, 01 Jan 2000 00:00:00 +0000"`, `"num_media":"0"`, `"num_segments":"1"`,
			`"error_code":null`, `"messaging_service_sid":null`, `"direction":"outbound-api"`, `"from":"whatsapp:+420800123456"`,
			`"uri":"`+at+`"`, `"subresource_uris":{"media":"`+messages+"/"+sid+`/Media.json"}`)
		<-time.After(11 * time.Second)
		has(`"status":"failed"`, `"date_sent":"Sat, 01 Jan 2000 00:00:10 +0000"`, `"error_code":63016`, `"error_message":"Failed to send`)
		if a := ask(t, s, "GET", strings.Replace(at, "SM", "SM0", 1)); a.Status != http.StatusNotFound || a.code() != 20404 {
			t.Errorf("another: %d %s", a.Status, a.Body)
		}
	})
}
