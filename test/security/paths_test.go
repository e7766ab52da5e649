package security

import (
	"net/http"
	"strings"
	"testing"
)

// TestPathTricks sends to both listeners what no client library would. Nothing
// is taken, nothing leads to another place, no answer repeats a token.
func TestPathTricks(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	body := s.message(1, "visitor", "through a trick", "")
	const begin, end = "/connector/omnichannel/omnichannel_message/", "/bot_api_webhook"
	for name, path := range map[string]string{
		"double slash": "/" + hookPath, "inner double slash": begin + "/" + hookToken + end, "slash behind": hookPath + "/",
		"dot": "/." + hookPath, "dots": "/x/.." + hookPath, "dots behind": hookPath + "/..", "dots inside": begin + "x/../" + hookToken + end,
		"escaped dots": "/x/%2e%2e" + hookPath, "half escaped dots": "/x/.%2e" + hookPath, "escaped slash": "/connector%2fomnichannel/omnichannel_message/" + hookToken + end,
		"escaped slash in the token": begin + hookToken + "%2f" + end, "backslash": strings.ReplaceAll(hookPath, "/", `\`),
		"semicolon": begin + hookToken + ";x" + end, "NUL": begin + hookToken + "%00" + end, "dot behind the token": begin + hookToken + "." + end,
		"other case": strings.ToUpper(begin) + hookToken + end, "token in another case": begin + strings.ToUpper(hookToken) + end,
		"space behind": begin + hookToken + "%20" + end, "no token": begin + end, "below media": "/media/.." + hookPath, "below media, escaped": "/media/%2e%2e" + hookPath,
		"escaped twice": begin + strings.ReplaceAll(hookToken, "-", "%252d") + end, "overlong": "/x/%c0%ae%c0%ae" + hookPath,
		"an admin path": "/api/v1/dead", "metrics": "/metrics", "pprof": "/debug/pprof/", "through media": "/media/../api/v1/dead",
	} {
		if said := s.raw(s.public, post(path, "h", "", body)); !refused(said) {
			t.Errorf("%s: %.120q", name, said)
		} else if strings.Contains(said, hookToken) || strings.Contains(said, "Location:") {
			t.Errorf("%s: the answer says where: %.300q", name, said)
		}
	}
	for name, head := range map[string]string{
		"override": "X-HTTP-Method-Override: POST\r\nX-Method-Override: POST\r\n", "original URL": "X-Original-URL: " + hookPath + "\r\nX-Rewrite-URL: " + hookPath + "\r\n",
	} {
		if said := s.raw(s.public, "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"+head+"\r\n"); !strings.HasPrefix(said, "HTTP/1.1 404 ") {
			t.Errorf("%s: %.120q", name, said)
		}
		if said := s.raw(s.public, "GET "+hookPath+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"+head+"\r\n"); !strings.HasPrefix(said, "HTTP/1.1 405 ") {
			t.Errorf("%s: %.120q", name, said)
		}
	}
	s.nothingTaken(1)
	// The Host header decides nothing: the public address is configured.
	for i, host := range []string{"evil.example", "127.0.0.1", "h:99999", "evil.example.", "[::1]"} {
		if said := s.raw(s.public, post(hookPath, host, "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: gopher\r\nForwarded: host=evil.example\r\n",
			s.message(2+i, "visitor", "any host", ""))); !strings.HasPrefix(said, "HTTP/1.1 200 ") || strings.Contains(said, "evil") {
			t.Errorf("host %s: %.200q", host, said)
		}
	}
}

// TestTwoReadings: a call that two programs in a row could read as two different
// ones is not taken.
func TestTwoReadings(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	body := s.message(1, "visitor", "smuggled", "")
	inner := post(hookPath, "h", "", body)
	start := "POST " + hookPath + " HTTP/1.1\r\nHost: h\r\n"
	for name, raw := range map[string]string{
		"length and a chunked list": start + "Content-Length: 4\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + inner,
		"two encodings":             start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + inner,
		"unknown encoding":          start + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + inner,
		"gzip, chunked":             start + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + inner,
		"space before the colon":    start + "Content-Length : 4\r\n\r\nabcd" + inner,
		"two lengths":               start + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd" + inner,
		"a list of lengths":         start + "Content-Length: 4, 5\r\n\r\nabcd" + inner,
		"plus":                      start + "Content-Length: +4\r\n\r\nabcd" + inner,
		"hexadecimal":               start + "Content-Length: 0x4\r\n\r\nabcd" + inner,
		"NUL in a header":           start + "X: a\x00b\r\nContent-Length: 0\r\n\r\n" + inner,
		"CR in a header":            start + "X: a\rContent-Length: 9\r\nContent-Length: 0\r\n\r\n" + inner,
		"two hosts":                 "POST " + hookPath + " HTTP/1.1\r\nHost: h\r\nHost: i\r\nContent-Length: 0\r\n\r\n" + inner,
		"no host":                   "POST " + hookPath + " HTTP/1.1\r\nContent-Length: 0\r\n\r\n" + inner,
		"chunk size with a sign":    start + "Transfer-Encoding: chunked\r\n\r\n-1\r\n" + inner,
		"chunk size too large":      start + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + inner,
	} {
		said := s.raw(s.public, raw)
		for line := range strings.SplitSeq(said, "\r\n") {
			if strings.HasPrefix(line, "HTTP/1.1 2") {
				t.Errorf("%s: %.200q", name, said)
			}
		}
	}
	s.nothingTaken(1)
}

// TestPrivateDoor: the private listener is no way in for those who found it.
func TestPrivateDoor(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, path := range []string{"/metrics", "/api/v1/dead", "/api/v1/stranded", "/debug/pprof/", "/debug/pprof/heap", "//metrics", "/./metrics", "/api/../metrics", "/x/..//metrics", "/%6detrics", "/metrics/", "/Metrics", "/readyz?channel=shop"} {
		for name, header := range map[string]map[string]string{
			"no token": {}, "a wrong one": {"Authorization": "Bearer x"}, "a forwarded address": {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"},
			"half a token": {"Authorization": "Bearer " + adminToken[:10]}, "in the query": {"X-Token": adminToken},
		} {
			got, err := s.do(http.MethodGet, "http://"+s.private+path, "", header)
			if err != nil || got.status < 300 || strings.Contains(got.body, "servicelink_") {
				t.Errorf("%s, %s: %d %.80q, %v", path, name, got.status, got.body, err)
			}
		}
	}
	got, err := s.do(http.MethodGet, "http://"+s.private+"/metrics", "", map[string]string{"Authorization": "Bearer " + adminToken})
	if err != nil || got.status != http.StatusOK {
		t.Errorf("with the token: %d, %v", got.status, err)
	}
	if got, err = s.do(http.MethodPost, "http://"+s.private+"/api/v1/dead/1/requeue", "", map[string]string{
		"Authorization": "Bearer " + adminToken, "Origin": "http://evil.example",
	}); err != nil || got.status != http.StatusForbidden {
		t.Errorf("from another site: %d, %v", got.status, err)
	}
}

func post(path, host, header, body string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nContent-Type: application/json\r\n" + header +
		"Content-Length: " + itoa(len(body)) + "\r\n\r\n" + body
}

func refused(said string) bool {
	return strings.HasPrefix(said, "HTTP/1.1 400 ") || strings.HasPrefix(said, "HTTP/1.1 404 ") ||
		strings.HasPrefix(said, "HTTP/1.1 405 ") // below /media
}

// nothingTaken proves that a conversation does not exist: what was posted to it
// would have reached the core before what is posted now does.
func (s *stage) nothingTaken(chat int) {
	s.Helper()
	s.served(9_000, patience)
	if got := s.sentences("shop", itoa(chat)+"|omnichannel"); len(got) != 0 {
		s.Errorf("%d sentences were taken: %q", len(got), got[0].Text)
	}
}
