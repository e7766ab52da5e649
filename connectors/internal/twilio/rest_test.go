package twilio

import (
	"bufio"
	"context"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
)

// What is known to go wrong with the library, one test each. Not here, since nothing
// of it is used: its own client and its checks of credentials (8: a token with other
// characters is refused without a request; TestCredentials), OAuth (9), and the root
// package (10: see the imports of this package).

// send sends a text to a fake that answers so.
func send(t *testing.T, answer http.HandlerFunc) (*fake, connectors.Receipt, *connectors.SendError) {
	t.Helper()
	f := newFake(t, answer)
	receipt, err := open(t, settings(f.URL)).Send(t.Context(), part())
	if err == nil {
		return f, receipt, nil
	}
	return f, receipt, connectors.AsSendError(err)
}

func expect(t *testing.T, what string, se *connectors.SendError, outcome connectors.Outcome, reason connectors.Reason) {
	t.Helper()
	if se == nil || se.Outcome != outcome || se.Reason != reason {
		t.Errorf("%s: %+v, want %s %s", what, se, outcome, reason)
	}
}

// TestContext: a call ends with its context (3.7, line 1).
func TestContext(t *testing.T) {
	asked, done := make(chan struct{}), make(chan error, 1)
	f := newFake(t, func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := open(t, settings(f.URL))
	go func() { _, err := c.Send(ctx, part()); done <- err }()
	<-asked
	cancel()
	expect(t, "stopped", connectors.AsSendError(<-done), connectors.Unknown, connectors.ReasonCanceled)
}

// TestPlace: requests go to api_url and nowhere else, whatever the environment says
// (lines 2 and 3).
func TestPlace(t *testing.T) {
	for _, name := range []string{"TWILIO_EDGE", "TWILIO_REGION", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"} {
		t.Setenv(name, "sydney")
	}
	f, receipt, se := send(t, says(http.StatusCreated, created))
	if se != nil || receipt.NetworkID != "SM1" {
		t.Fatalf("Send = %+v, %v", receipt, se)
	}
	got := f.requests()[0]
	if got.method != http.MethodPost || got.uri != "/twilio/2010-04-01/Accounts/"+testAccount+"/Messages.json" {
		t.Errorf("sent %s %s", got.method, got.uri)
	}
	r := http.Request{Header: got.header}
	if user, password, ok := r.BasicAuth(); !ok || user != testAccount || password != testToken {
		t.Errorf("credentials %q", user)
	}
}

// TestRedirect: a redirect is not followed and no success (line 4).
func TestRedirect(t *testing.T) {
	for status, outcome := range map[int]connectors.Outcome{301: connectors.NotSent, 302: connectors.Unknown, 307: connectors.NotSent, 308: connectors.NotSent} {
		f, _, se := send(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		})
		expect(t, "redirect", se, outcome, connectors.ReasonAnswer)
		if n := len(f.requests()); n != 1 {
			t.Errorf("%d requests", n)
		}
	}
}

// TestErrorShapes: the status counts where the body is not Twilio's, and Retry-After
// is heard (line 5).
func TestErrorShapes(t *testing.T) {
	for name, tc := range map[string]struct {
		status  int
		body    string
		outcome connectors.Outcome
		reason  connectors.Reason
		code    string
	}{
		"a proxy's page":           {502, "<html>502</html>", connectors.Unknown, connectors.ReasonServer, "502"},
		"no body":                  {401, "", connectors.NotSent, connectors.ReasonAuth, "401"},
		"details that are text":    {400, `{"code":21610,"message":"m","details":"x"}`, connectors.Rejected, connectors.ReasonBlocked, "21610"},
		"a code that is text":      {400, `{"code":"21211"}`, connectors.Rejected, connectors.ReasonNotFound, "21211"},
		"a newer error":            {400, `{"code":20001,"params":[],"userError":true}`, connectors.Rejected, connectors.ReasonContent, "20001"},
		"half a body":              {400, `{"code":216`, connectors.Rejected, connectors.ReasonContent, "400"},
		"a code nobody knows":      {400, `{"code":99999}`, connectors.Rejected, connectors.ReasonContent, "99999"},
		"too many":                 {429, `{"code":20429}`, connectors.NotSent, connectors.ReasonRate, "20429"},
		"the code over the status": {400, `{"code":20003}`, connectors.NotSent, connectors.ReasonAuth, "20003"},
	} {
		_, _, se := send(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			says(tc.status, tc.body)(w, r)
		})
		expect(t, name, se, tc.outcome, tc.reason)
		if se != nil && (se.Code != tc.code || se.RetryAfter != 7*time.Second) {
			t.Errorf("%s: code %s, wait %v", name, se.Code, se.RetryAfter)
		}
	}
}

// TestSuccess: a message that was created is sent, whatever else the answer holds;
// without its sid nobody knows (line 6).
func TestSuccess(t *testing.T) {
	for body, known := range map[string]bool{
		created: true,
		`{"sid":"SM1","num_segments":1,"error_code":"0","subresource_uris":[]}`: true,
		`{"sid":"SM1","date_created":5,"to":null,"more":{}}`:                    true,
		`{"sid":"SM1","num_seg`: false,
		`{}`:                    false, ``: false, `[]`: false, `<html></html>`: false,
	} {
		_, receipt, se := send(t, says(http.StatusCreated, body))
		switch {
		case known && (se != nil || receipt.NetworkID != "SM1"):
			t.Errorf("%s: %+v, %v", body, receipt, se)
		case !known:
			expect(t, body, se, connectors.Unknown, connectors.ReasonAnswer)
		}
	}
	_, _, se := send(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "500")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, created[:20])
	})
	expect(t, "a body that breaks off", se, connectors.Unknown, connectors.ReasonCut)
}

// TestOnce: no failure makes a second request, whatever the API's version (line 7).
func TestOnce(t *testing.T) {
	for _, status := range []int{400, 401, 404, 429, 500, 502, 503} {
		if f, _, _ := send(t, says(status, `{"code":1`)); len(f.requests()) != 1 {
			t.Errorf("%d: %d requests", status, len(f.requests()))
		}
	}
	f := newFake(t, says(500, `x`))
	c := open(t, settings(f.URL))
	if err := c.PostMessaging(t.Context(), "/v2/x", nil); err == nil || len(f.requests()) != 1 {
		t.Errorf("%v after %d requests", err, len(f.requests()))
	}
	r, _ := c.call(t.Context())
	for want := 2; want > 0; want-- {
		answer, err := r.SendRequest(http.MethodPost, DefaultAPI+"/x", nil, nil)
		if answer != nil {
			_ = answer.Body.Close()
		}
		if err == nil {
			t.Error("a refused request has no error")
		}
	}
	if len(f.requests()) != 2 {
		t.Errorf("one call made %d requests", len(f.requests())-1)
	}
	r, _ = c.call(t.Context())
	answer, err := r.SendRequest(http.MethodPost, "https://elsewhere.example.com/x", nil, nil)
	if answer != nil {
		_ = answer.Body.Close()
	}
	if connectors.AsSendError(err).Reason != connectors.ReasonBug {
		t.Errorf("a request to another host: %v", err)
	}
}

// TestCredentials: a key goes before the account, and any character of a secret is
// taken (line 8).
func TestCredentials(t *testing.T) {
	f := newFake(t, says(http.StatusCreated, created))
	s := settings(f.URL)
	s.APIKey, s.APISecret = testKey, config.NewSecret(testSecret+"_-.~")
	if _, err := open(t, s).Send(t.Context(), part()); err != nil {
		t.Fatal(err)
	}
	r := http.Request{Header: f.requests()[0].header}
	if user, password, ok := r.BasicAuth(); !ok || user != testKey || password != testSecret+"_-.~" {
		t.Errorf("credentials %q", user)
	}
}

// TestImports: of the library's packages only two are compiled in (line 10).
func TestImports(t *testing.T) {
	err := eachImport(func(path string) {
		if strings.HasPrefix(path, "github.com/twilio/") && path != "github.com/twilio/twilio-go/client" && path != "github.com/twilio/twilio-go/rest/api/v2010" {
			t.Errorf("imports %s", path)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCut: a connection that ends in the answer's header leaves the fate open.
func TestCut(t *testing.T) {
	_, _, se := send(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		finish(buffered.Writer)
		_ = conn.Close()
	})
	if se == nil || se.Outcome != connectors.Unknown {
		t.Errorf("%v", se)
	}
	if errors.Is(se, io.EOF) {
		t.Error("the transport's own words are passed on")
	}
}

func finish(w *bufio.Writer) {
	_, _ = w.WriteString("HTTP/1.1 201 Crea")
	_ = w.Flush()
}

// eachImport walks through the imports of this package.
func eachImport(visit func(path string)) error {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		return errors.Join(err, errors.New("no source"))
	}
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range tree.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			visit(path)
		}
	}
	return nil
}
