package telegram

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// answer is the envelope of every answer of the Bot API.
type answer struct {
	OK          bool            `json:"ok"`
	Result      json.RawMessage `json:"result"`
	ErrorCode   int             `json:"error_code"`
	Description string          `json:"description"`
	Parameters  struct {
		RetryAfter      int64 `json:"retry_after"` // seconds
		MigrateToChatID int64 `json:"migrate_to_chat_id"`
	} `json:"parameters"`
}

// apiError is a call that the Bot API answered and did not do. What it means is
// for classify to say.
type apiError struct {
	Code        int    // the API's own code, else the HTTP status
	Description string // empty when the answer was not the API's: a proxy's page
	RetryAfter  time.Duration
	MigrateTo   int64 // the supergroup that a group became; 0 = none
}

// Error leaves the description out: it may quote what was sent.
func (e *apiError) Error() string { return "the Bot API answered " + strconv.Itoa(e.Code) }

// otherReader reports whether somebody else polls; a webhook's refusal is another one.
func (e *apiError) otherReader() bool {
	return e.Code == http.StatusConflict && strings.Contains(e.Description, "terminated by other getUpdates")
}

// call makes one call of the Bot API: params as JSON, the answer's result into
// result unless that is nil. The error is an *apiError when the network answered,
// else a *connectors.SendError; the token stands in neither.
func (c *Connector) call(ctx context.Context, method string, params, result any) error {
	return c.callBy(ctx, c.client, 0, method, params, result)
}

// callBy is call by another client, or within another time than the client's
// own (0).
func (c *Connector) callBy(ctx context.Context, client *httpx.Client, timeout time.Duration, method string, params, result any) error {
	_, err := c.ask(ctx, client, timeout, method, params, result)
	return err
}

// ask is callBy that gives the answer back as it came, also of a refusal; nil =
// there was none.
func (c *Connector) ask(ctx context.Context, client *httpx.Client, timeout time.Duration, method string, params, result any) (*httpx.Response, error) {
	body := []byte("{}")
	if params != nil {
		var err error
		if body, err = json.Marshal(params); err != nil {
			return nil, &connectors.SendError{
				Outcome: connectors.NotSent, Reason: connectors.ReasonBug,
				Err: errors.New("call cannot be written as JSON"),
			}
		}
	}
	resp, err := client.Do(ctx, httpx.Request{
		Method: http.MethodPost,
		URL:    c.api.JoinPath("bot"+c.token.Reveal(), method),
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   body, Timeout: timeout,
	})
	if err != nil {
		return nil, err
	}
	return resp, readAnswer(resp, result)
}

// readAnswer says what an answer means. Any but the API's own {"ok":true} is an
// error, whatever its status.
func readAnswer(resp *httpx.Response, result any) error {
	var a answer
	broken := resp.BodyErr != nil || json.Unmarshal(resp.Body, &a) != nil
	success := resp.Status >= 200 && resp.Status < 300
	switch {
	case broken && success && resp.BodyErr != nil:
		return resp.BodyErr
	case broken && success, !broken && !a.OK && a.ErrorCode == 0 && success:
		return noAnswer(resp.Status)
	case broken:
		a = answer{}
	case a.OK && success:
		if result != nil && json.Unmarshal(a.Result, result) != nil {
			return noAnswer(resp.Status)
		}
		return nil
	}
	if a.ErrorCode == 0 {
		a.ErrorCode = resp.Status
	}
	return &apiError{
		Code: a.ErrorCode, Description: a.Description,
		RetryAfter: retryAfter(a.Parameters.RetryAfter, resp),
		MigrateTo:  a.Parameters.MigrateToChatID,
	}
}

// noAnswer is a success whose answer is not the Bot API's: what became of the
// call is not known.
func noAnswer(status int) error {
	return &connectors.SendError{
		Outcome: connectors.Unknown, Reason: connectors.ReasonAnswer, Code: strconv.Itoa(status),
		Err: errors.New("answer is not the Bot API's"),
	}
}

// maxRetryAfter keeps a broken answer from silencing a bot for years.
const maxRetryAfter = 24 * 60 * 60

// retryAfter reads the wait that an answer asks for: the body's, in seconds, else
// the header's.
func retryAfter(seconds int64, resp *httpx.Response) time.Duration {
	if seconds > 0 {
		return time.Duration(min(seconds, maxRetryAfter)) * time.Second
	}
	return connectors.AsSendError(statuses.Check(resp)).RetryAfter
}

// conversation is where a message belongs. Its JSON is what every call that
// writes into it says.
type conversation struct {
	Chat     int64  `json:"chat_id"`                            // negative for groups and channels
	Topic    int64  `json:"message_thread_id,omitempty"`        // of a forum; 0 = none
	Direct   int64  `json:"direct_messages_topic_id,omitempty"` // one person's messages to a channel; 0 = none
	Business string `json:"business_connection_id,omitempty"`   // empty = the bot's own chat
}

const (
	businessMark = "b:"
	directMark   = "d:"
)

// trackingID names the conversation.
func (v conversation) trackingID() string {
	switch {
	case v.Business != "":
		return connectors.TrackingID(decimal(v.Chat), businessMark+v.Business, Network)
	case v.Direct != 0:
		return connectors.TrackingID(decimal(v.Chat), directMark+decimal(v.Direct), Network)
	case v.Topic != 0:
		return connectors.TrackingID(decimal(v.Chat), decimal(v.Topic), Network)
	}
	return connectors.TrackingID(decimal(v.Chat), Network)
}

// group reports whether several people may write here.
func (v conversation) group() bool { return v.Chat < 0 && v.Direct == 0 }

// conversationOf reads a TrackingID of this network. It takes only what
// trackingID writes: one conversation has one name.
func conversationOf(trackingID string) (v conversation, ok bool) {
	rest, ok := strings.CutSuffix(trackingID, "|"+Network)
	if !ok {
		return v, false
	}
	chat, where, _ := strings.Cut(rest, "|")
	v.Chat, _ = strconv.ParseInt(chat, 10, 64)
	if escaped, found := strings.CutPrefix(where, businessMark); found {
		v.Business, _ = connectors.UnescapeID(escaped)
	} else if topic, found := strings.CutPrefix(where, directMark); found {
		v.Direct, _ = strconv.ParseInt(topic, 10, 64)
	} else if where != "" {
		v.Topic, _ = strconv.ParseInt(where, 10, 64)
	}
	return v, v.Chat != 0 && v.trackingID() == trackingID
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
