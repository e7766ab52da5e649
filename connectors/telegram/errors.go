package telegram

import (
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// mend is how a refused call can be made again in another form. A refusal is
// certain, so the second call cannot send a message twice.
type mend uint8

const (
	asItIs    mend = iota
	migrated       // to the supergroup that the group became
	noTopic        // without message_thread_id
	noReply        // without reply_parameters
	byUpload       // the file's bytes instead of its address
	aDocument      // the file as a document, which is not looked into
	bigFile        // byUpload, which may be bigger, else aDocument
)

// rule is what a refusal of the Bot API means.
type rule struct {
	code    int    // of the answer
	text    string // in its description, lower case; empty = any
	outcome connectors.Outcome
	reason  connectors.Reason
	mend    mend
	hint    string
}

const (
	hintToken   = "Compare token with what BotFather shows for the bot."
	hintServer  = "This Bot API server does not serve the bot; check api_url."
	hintPoller  = "A second program works this bot, or has set a webhook for it. Stop it, or give it a bot of its own."
	hintBlocked = "The customer has to open the chat with the bot and start it again."
	hintGone    = "The customer has deleted the account."
	hintMember  = "The bot has to be added to the chat again."
	hintRights  = "An administrator of the chat has to let the bot write."
	hintFirst   = "A bot cannot write first: the customer has to open the chat with the bot."
	hintChat    = "Telegram does not know this chat for this bot. Does the channel still have the bot the customer wrote to?"
	hintTopic   = "An administrator of the group has closed or deleted the topic."
	hintFetch   = "Telegram could not fetch the file from its address."
	hintMedia   = "Telegram does not take the file as what it is sent as. Send it as a document."
	hintBig     = "The file is too big: Telegram takes 50 MB from a bot, 10 MB as a photo, and gives a bot 20 MB."
	hintWindow  = "Telegram lets the bot answer for a business account only while the customer has written lately."
	hintAccount = "The owner of the business account has to connect the bot again, with the right to answer."
	hintVoice   = "The customer does not receive voice or video messages. Send the file as a document."
)

// rules are the refusals of the Bot API; the first that fits counts. The server
// folds many of Telegram's own into code 400 and writes the first letter of
// their text as a small one, so the text counts as much as the code.
var rules = []rule{
	{429, "", connectors.NotSent, connectors.ReasonRate, asItIs, ""},
	{420, "", connectors.NotSent, connectors.ReasonRate, asItIs, ""},
	{401, "", connectors.NotSent, connectors.ReasonAuth, asItIs, hintToken},
	{400, "logged out", connectors.NotSent, connectors.ReasonAuth, asItIs, hintServer},
	{404, "method not found", connectors.Rejected, connectors.ReasonContent, asItIs, "The Bot API server at api_url is too old."},
	{404, "", connectors.NotSent, connectors.ReasonAuth, asItIs, hintToken}, // a token that is none
	{421, "", connectors.NotSent, connectors.ReasonAuth, asItIs, hintServer},
	{409, "", connectors.NotSent, connectors.ReasonConflict, asItIs, hintPoller},
	{413, "", connectors.Rejected, connectors.ReasonContent, asItIs, hintBig},

	{403, "blocked by the user", connectors.Rejected, connectors.ReasonBlocked, asItIs, hintBlocked},
	{403, "user is deactivated", connectors.Rejected, connectors.ReasonBlocked, asItIs, hintGone},
	{403, "was kicked", connectors.Rejected, connectors.ReasonBlocked, asItIs, hintMember},
	{403, "not a member", connectors.Rejected, connectors.ReasonBlocked, asItIs, hintMember},
	{403, "chat was deleted", connectors.Rejected, connectors.ReasonBlocked, asItIs, ""},
	{403, "can't initiate conversation", connectors.Rejected, connectors.ReasonBlocked, asItIs, hintFirst},
	{403, "", connectors.Rejected, connectors.ReasonBlocked, asItIs, ""},

	{400, "upgraded to a supergroup", connectors.Rejected, connectors.ReasonNotFound, migrated, hintChat},
	{400, "chat not found", connectors.Rejected, connectors.ReasonNotFound, asItIs, hintChat},
	{400, "user not found", connectors.Rejected, connectors.ReasonNotFound, asItIs, hintChat},
	{400, "peer_id_invalid", connectors.Rejected, connectors.ReasonNotFound, asItIs, hintChat},
	{400, "message thread not found", connectors.Rejected, connectors.ReasonNotFound, noTopic, hintTopic},
	{400, "topic_deleted", connectors.Rejected, connectors.ReasonNotFound, noTopic, hintTopic},
	{400, "topic_closed", connectors.Rejected, connectors.ReasonBlocked, asItIs, hintTopic},
	{400, "message to be replied not found", connectors.Rejected, connectors.ReasonNotFound, noReply, ""},
	{400, "replied message not found", connectors.Rejected, connectors.ReasonNotFound, noReply, ""},
	{400, "business_peer_usage_missing", connectors.Rejected, connectors.ReasonWindow, asItIs, hintWindow},
	{400, "business connection not found", connectors.Rejected, connectors.ReasonBlocked, asItIs, hintAccount},
	{400, "business_", connectors.Rejected, connectors.ReasonBlocked, asItIs, hintAccount},
	{400, "not enough rights", connectors.Rejected, connectors.ReasonBlocked, asItIs, hintRights},
	{400, "have no rights", connectors.Rejected, connectors.ReasonBlocked, asItIs, hintRights},
	{400, "chat_write_forbidden", connectors.Rejected, connectors.ReasonBlocked, asItIs, hintRights},
	{400, "chat_restricted", connectors.Rejected, connectors.ReasonBlocked, asItIs, hintRights},
	{400, "voice_messages_forbidden", connectors.Rejected, connectors.ReasonContent, aDocument, hintVoice},

	{400, "wrong file identifier/http url specified", connectors.Rejected, connectors.ReasonContent, byUpload, hintFetch},
	{400, "wrong http url specified", connectors.Rejected, connectors.ReasonContent, byUpload, hintFetch},
	{400, "wrong remote file identifier", connectors.Rejected, connectors.ReasonContent, byUpload, hintFetch},
	{400, "failed to get http url content", connectors.Rejected, connectors.ReasonContent, byUpload, hintFetch},
	{400, "can't upload file by url", connectors.Rejected, connectors.ReasonContent, byUpload, hintFetch},
	{400, "wrong type of the web page content", connectors.Rejected, connectors.ReasonContent, byUpload, hintMedia},
	{400, "photo_invalid_dimensions", connectors.Rejected, connectors.ReasonContent, aDocument, hintMedia},
	{400, "image_process_failed", connectors.Rejected, connectors.ReasonContent, aDocument, hintMedia},
	{400, "photo_save_file_invalid", connectors.Rejected, connectors.ReasonContent, aDocument, hintMedia},
	{400, "photo_ext_invalid", connectors.Rejected, connectors.ReasonContent, aDocument, hintMedia},

	// Of addresses over 20 MB, of photos over 10 MB, and of getFile over 20 MB.
	{400, "file is too big", connectors.Rejected, connectors.ReasonContent, bigFile, hintBig},

	// getFile alone
	{400, "temporarily unavailable", connectors.NotSent, connectors.ReasonNotFound, asItIs, ""},
	{400, "invalid file_id", connectors.Rejected, connectors.ReasonNotFound, asItIs, ""},

	// answerCallbackQuery
	{400, "query is too old", connectors.Rejected, connectors.ReasonWindow, asItIs, ""},

	// Not with the plain text that is sent here.
	{400, "can't parse entities", connectors.Rejected, connectors.ReasonContent, asItIs, ""},
	{400, "", connectors.Rejected, connectors.ReasonContent, asItIs, ""},
}

// ruleOf finds what a refusal means. ok is false for one that is not the Bot
// API's own, or that it gives for a failure of its own (5xx): then the HTTP
// status says what is known.
func ruleOf(e *apiError) (r rule, ok bool) {
	if e.Description == "" {
		return rule{}, false
	}
	text := strings.ToLower(e.Description)
	for _, r := range rules {
		if r.code == e.Code && strings.Contains(text, r.text) {
			return r, true
		}
	}
	return rule{}, false
}

// classify says what a refused call means for the message it was to send.
func classify(e *apiError) *connectors.SendError {
	r, ok := ruleOf(e)
	if !ok {
		return byStatus(e)
	}
	return &connectors.SendError{
		Outcome:    r.outcome,
		Reason:     r.reason,
		RetryAfter: e.RetryAfter,
		// The answer does not say whether the bot or the chat was too fast.
		Scope: scopeOf(r.reason),
		Code:  codeOf(e),
		Hint:  r.hint,
		Err:   e,
	}
}

var statuses = httpx.Statuses()

// byStatus judges a failure of the server, or the page of a proxy in between.
func byStatus(e *apiError) *connectors.SendError {
	se, ok := errors.AsType[*connectors.SendError](statuses.Check(&httpx.Response{Status: e.Code}))
	if !ok { // "ok": false with a code that says yes
		se = &connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonAnswer}
	}
	if e.Code == http.StatusNotFound { // the Bot API's own has a description
		se.Outcome = connectors.NotSent
	}
	se.RetryAfter, se.Code, se.Err = e.RetryAfter, codeOf(e), e
	return se
}

// name is how Telegram calls an error. It is the only part of a description that
// is shown: the rest may quote what was sent.
var name = regexp.MustCompile(`^(?:Bad Request|Forbidden|Internal Server Error): ([A-Z][A-Z0-9_]{5,40})$`)

func codeOf(e *apiError) string {
	code := strconv.Itoa(e.Code)
	if m := name.FindStringSubmatch(e.Description); m != nil && strings.Contains(m[1], "_") {
		code += " " + m[1]
	}
	return code
}

// scopeOf is whom patience is asked for: Telegram does not say, and mostly means
// one chat.
func scopeOf(r connectors.Reason) connectors.Scope {
	if r == connectors.ReasonRate {
		return connectors.ScopeRecipient
	}
	return connectors.ScopeAccount
}
