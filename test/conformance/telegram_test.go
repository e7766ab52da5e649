package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/connectors/connectortest"
	"servicelink/connectors/telegram"
	sim "servicelink/test/netsim/telegram"
)

// telegramToken is the simulated bot's.
const telegramToken = "4200000001:AAH-kit-s3cret-of-the-simulated-bot"

func telegramHarness() connectortest.Harness {
	return connectortest.Harness{
		New:      telegram.New,
		Settings: func(base string) string { return "token: \"" + telegramToken + "\"\napi_url: " + base + "/telegram" },
		Secrets:  []string{telegramToken, "AAH-kit-s3cret-of-the-simulated-bot"},
		Network: connectortest.Network{
			To: "4200000000000017|telegram",
			Accept: func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, `{"ok":true,"result":{"message_id":5,"date":1,"chat":{"id":4200000000000017,"type":"private"}}}`)
			},
			Read: func(_ *http.Request, body []byte) (id, text string) {
				var got struct{ Text string }
				if json.Unmarshal(body, &got) != nil {
					return "", ""
				}
				return "", got.Text
			},
			Limit: func(w http.ResponseWriter, _ *http.Request) {
				wait, _ := strconv.Atoi(w.Header().Get("Retry-After"))
				w.WriteHeader(http.StatusTooManyRequests)
				_, _ = io.WriteString(w, telegramError(429, "Too Many Requests: retry after "+strconv.Itoa(wait), wait))
			},
			Refuse: func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, telegramError(400, "Bad Request: message is too long", 0))
			},
		},
		Simulation: &connectortest.Simulation{
			Start: startTelegram,
			Kinds: []connectors.Kind{
				connectors.KindText, connectors.KindFile, connectors.KindLocation, connectors.KindContact, connectors.KindButton,
				connectors.KindEdit, connectors.KindDelete, connectors.KindReaction, connectors.KindService,
				connectors.KindUnsupported, connectors.KindStop,
			},
			Background: []string{"getUpdates", "getMe", "getWebhookInfo"},
			Rows:       telegramRows(),
		},
	}
}

func startTelegram(*connectortest.Gateway) connectortest.Simulator {
	n := sim.New(sim.Options{Seed: 1})
	if err := n.AddAccount(sim.Account{Token: telegramToken, Username: "kit_bot", Name: "Kit"}); err != nil {
		panic(err)
	}
	return serve("telegram", telegramToken, n)
}

// telegramError is an answer of the Bot API.
func telegramError(code int, description string, retryAfter int) string {
	parameters := ""
	if retryAfter > 0 {
		parameters = fmt.Sprintf(`,"parameters":{"retry_after":%d}`, retryAfter)
	}
	return fmt.Sprintf(`{"ok":false,"error_code":%d,"description":%q%s}`, code, description, parameters)
}

// telegramRefusal is a documented error and what it means for a message.
type telegramRefusal struct {
	code        int
	description string
	outcome     connectors.Outcome
	reason      connectors.Reason
	hint        bool
}

// telegramRefusals are the texts of the public server and of those it passes on.
var telegramRefusals = []telegramRefusal{
	{401, "Unauthorized", connectors.NotSent, connectors.ReasonAuth, true},
	{401, "Unauthorized: invalid token specified", connectors.NotSent, connectors.ReasonAuth, true},
	{400, "Logged out", connectors.NotSent, connectors.ReasonAuth, true},
	{404, "Not Found", connectors.NotSent, connectors.ReasonAuth, true},
	{404, "Not Found: method not found", connectors.Rejected, connectors.ReasonContent, true},
	{421, "Misdirected Request", connectors.NotSent, connectors.ReasonAuth, true},
	{409, "Conflict: terminated by other getUpdates request", connectors.NotSent, connectors.ReasonConflict, true},
	{409, "Conflict: can't use getUpdates method while webhook is active", connectors.NotSent, connectors.ReasonConflict, true},
	{413, "Request Entity Too Large", connectors.Rejected, connectors.ReasonContent, true},

	{403, "Forbidden: bot was blocked by the user", connectors.Rejected, connectors.ReasonBlocked, true},
	{403, "Forbidden: user is deactivated", connectors.Rejected, connectors.ReasonBlocked, true},
	{403, "Forbidden: bot was kicked from the group chat", connectors.Rejected, connectors.ReasonBlocked, true},
	{403, "Forbidden: bot was kicked from the supergroup chat", connectors.Rejected, connectors.ReasonBlocked, true},
	{403, "Forbidden: bot is not a member of the channel chat", connectors.Rejected, connectors.ReasonBlocked, true},
	{403, "Forbidden: the group chat was deleted", connectors.Rejected, connectors.ReasonBlocked, false},
	{403, "Forbidden: bot can't initiate conversation with a user", connectors.Rejected, connectors.ReasonBlocked, true},
	{403, "Forbidden: something new", connectors.Rejected, connectors.ReasonBlocked, false},

	{400, "Bad Request: chat not found", connectors.Rejected, connectors.ReasonNotFound, true},
	{400, "Bad Request: user not found", connectors.Rejected, connectors.ReasonNotFound, true},
	{400, "Bad Request: PEER_ID_INVALID", connectors.Rejected, connectors.ReasonNotFound, true},
	{400, "Bad Request: group chat was upgraded to a supergroup chat", connectors.Rejected, connectors.ReasonNotFound, true},
	{400, "Bad Request: message thread not found", connectors.Rejected, connectors.ReasonNotFound, true},
	{400, "Bad Request: TOPIC_DELETED", connectors.Rejected, connectors.ReasonNotFound, true},
	{400, "Bad Request: TOPIC_CLOSED", connectors.Rejected, connectors.ReasonBlocked, true},
	{400, "Bad Request: message to be replied not found", connectors.Rejected, connectors.ReasonNotFound, false},
	{400, "Bad Request: replied message not found", connectors.Rejected, connectors.ReasonNotFound, false},
	{400, "Bad Request: not enough rights to send text messages to the chat", connectors.Rejected, connectors.ReasonBlocked, true},
	{400, "Bad Request: have no rights to send a message", connectors.Rejected, connectors.ReasonBlocked, true},
	{400, "Bad Request: CHAT_WRITE_FORBIDDEN", connectors.Rejected, connectors.ReasonBlocked, true},
	{400, "Bad Request: CHAT_RESTRICTED", connectors.Rejected, connectors.ReasonBlocked, true},
	{400, "Bad Request: business connection not found", connectors.Rejected, connectors.ReasonBlocked, true},
	{400, "Bad Request: BUSINESS_PEER_USAGE_MISSING", connectors.Rejected, connectors.ReasonWindow, true},
	{400, "Bad Request: BUSINESS_CONNECTION_INVALID", connectors.Rejected, connectors.ReasonBlocked, true},

	{400, "Bad Request: message is too long", connectors.Rejected, connectors.ReasonContent, false},
	{400, "Bad Request: message text is empty", connectors.Rejected, connectors.ReasonContent, false},
	{400, "Bad Request: can't parse entities: unsupported start tag", connectors.Rejected, connectors.ReasonContent, false},
	{400, "Bad Request: BUTTON_DATA_INVALID", connectors.Rejected, connectors.ReasonContent, false},
	{400, "Bad Request: something new", connectors.Rejected, connectors.ReasonContent, false},

	{500, "Internal Server Error", connectors.Unknown, connectors.ReasonServer, false},
	{502, "Bad Gateway", connectors.Unknown, connectors.ReasonServer, false},
}

// telegramFileRefusals are those of files: by address, then by upload.
var telegramFileRefusals = []telegramRefusal{
	{400, "Bad Request: wrong file identifier/HTTP URL specified", connectors.Rejected, connectors.ReasonContent, true},
	{400, "Bad Request: wrong HTTP URL specified: Unsupported URL protocol", connectors.Rejected, connectors.ReasonContent, true},
	{400, "Bad Request: wrong remote file identifier specified: Wrong padding in the string", connectors.Rejected, connectors.ReasonContent, true},
	{400, "Bad Request: can't upload file by URL", connectors.Rejected, connectors.ReasonContent, true},
	{400, "Bad Request: failed to get HTTP URL content", connectors.Rejected, connectors.ReasonContent, true},
	{400, "Bad Request: Wrong type of the web page content", connectors.Rejected, connectors.ReasonContent, true},
	{400, "Bad Request: PHOTO_INVALID_DIMENSIONS", connectors.Rejected, connectors.ReasonContent, true},
	{400, "Bad Request: IMAGE_PROCESS_FAILED", connectors.Rejected, connectors.ReasonContent, true},
	{400, "Bad Request: PHOTO_SAVE_FILE_INVALID", connectors.Rejected, connectors.ReasonContent, true},
	{400, "Bad Request: PHOTO_EXT_INVALID", connectors.Rejected, connectors.ReasonContent, true},
	{400, "Bad Request: VOICE_MESSAGES_FORBIDDEN", connectors.Rejected, connectors.ReasonContent, true},
	{400, "Bad Request: file is too big", connectors.Rejected, connectors.ReasonContent, true},
	{413, "Request Entity Too Large", connectors.Rejected, connectors.ReasonContent, true},
}

// telegramOpenRefusals are those of getFile.
var telegramOpenRefusals = []telegramRefusal{
	{400, "Bad Request: file is too big", connectors.Rejected, connectors.ReasonContent, true},
	{400, "Bad Request: wrong file_id or the file is temporarily unavailable", connectors.NotSent, connectors.ReasonNotFound, false},
	{400, "Bad Request: invalid file_id", connectors.Rejected, connectors.ReasonNotFound, false},
	{401, "Unauthorized", connectors.NotSent, connectors.ReasonAuth, true},
}

func telegramRows() []connectortest.Row {
	rows := []connectortest.Row{
		{
			Name: "429", Status: 429, Body: telegramError(429, "Too Many Requests: retry after 31", 31),
			Want: connectors.SendError{
				Outcome: connectors.NotSent, Reason: connectors.ReasonRate, RetryAfter: 31 * time.Second, Scope: connectors.ScopeRecipient,
			},
		},
		{
			Name: "429, the wait in the header alone", Status: 429, Header: http.Header{"Retry-After": {"9"}},
			Body: telegramError(429, "Too Many Requests", 0),
			Want: connectors.SendError{
				Outcome: connectors.NotSent, Reason: connectors.ReasonRate, RetryAfter: 9 * time.Second, Scope: connectors.ScopeRecipient,
			},
		},
		{
			Name: "420", Status: 420, Body: telegramError(420, "FLOOD_WAIT_7", 7),
			Want: connectors.SendError{
				Outcome: connectors.NotSent, Reason: connectors.ReasonRate, RetryAfter: 7 * time.Second, Scope: connectors.ScopeRecipient,
			},
		},
		{
			Name: "a proxy's page", Status: 502, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<html>502</html>",
			Want: connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonServer},
		},
		{
			Name: "a web server's 404", Status: 404, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<html>404</html>",
			Want: connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonNotFound},
		},
		{
			Name: "a success that is none", Status: 200, Body: `{"result":{}}`,
			Want: connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonAnswer},
		},
	}
	for _, r := range telegramRefusals {
		rows = append(rows, r.row())
	}
	for _, r := range telegramFileRefusals {
		row := r.row()
		row.Requests = 3 // by address, by upload, as a document
		row.Part = func(p *connectors.Part) { p.File = connectortest.OutFile("kit.jpg", "image/jpeg", "bytes") }
		rows = append(rows, row)
	}
	for _, r := range telegramOpenRefusals {
		row := r.row()
		row.Open, row.Name = true, row.Name+", of a file to be opened"
		rows = append(rows, row)
	}
	return rows
}

func (r telegramRefusal) row() connectortest.Row {
	row := connectortest.Row{
		Name: fmt.Sprint(r.code, " ", r.description), Status: r.code, Body: telegramError(r.code, r.description, 0),
		Want: connectors.SendError{Outcome: r.outcome, Reason: r.reason}, HasHint: r.hint,
	}
	return row
}

// telegramRule finds the rules of the connector's table in its source.
var telegramRule = regexp.MustCompile(`(?m)^\t\{(\d+), "([^"]*)", connectors\.`)

// TestTelegramErrors: every rule of the connector's table has a row here. One is
// about a call whose failure costs nothing.
func TestTelegramErrors(t *testing.T) {
	source, err := os.ReadFile("../../connectors/telegram/errors.go")
	if err != nil {
		t.Fatal(err)
	}
	rules := telegramRule.FindAllStringSubmatch(string(source), -1)
	if len(rules) < 30 {
		t.Fatalf("%d rules: the test looks in the wrong place", len(rules))
	}
	for _, rule := range rules {
		if rule[2] == "query is too old" {
			continue
		}
		if !slices.ContainsFunc(telegramRows(), func(r connectortest.Row) bool {
			return strconv.Itoa(r.Status) == rule[1] && strings.Contains(strings.ToLower(r.Body), rule[2])
		}) {
			t.Errorf("no row is refused with %s %q", rule[1], rule[2])
		}
	}
}
