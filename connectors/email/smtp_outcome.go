package email

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"strconv"

	"github.com/emersion/go-smtp"

	"servicelink/connectors"
)

// stage is how far an attempt had come.
type stage uint8

// The stages, in their order. The dot is the line that ends a mail: before it has left
// no server has the mail, after it any may.
const (
	stageConnect stage = iota // TCP, TLS, greeting, EHLO
	stageAuth
	stageMail // MAIL FROM
	stageRcpt
	stageData // DATA, and the mail up to the dot
	stageDot
)

func (s stage) String() string {
	return [...]string{"connecting", "logging in", "MAIL", "RCPT", "DATA", "the answer to the mail"}[s]
}

// Hints for operators.
const (
	hintSTARTTLS  = "The mail server offers no STARTTLS; look at Port and Security."
	hintLogin     = "The mail server refuses the login; look at User and Password, and whether it takes passwords at all."
	hintSender    = "The mail server does not take mail from this sender; look at From and what the user may send as."
	hintRecipient = "The mail server knows no such recipient."
	hintFull      = "The recipient's mailbox is full or closed."
	hintRefused   = "The mail server does not deliver to this recipient by its rules."
	hintSize      = "The mail is larger than the mail server takes."
	hintPolicy    = "The mail server refuses the content by its rules."
)

// sendFailure makes a *connectors.SendError of what went wrong at a stage. An answer
// of the server decides by its code, at any stage; without one the stage alone tells
// whether the mail may have been taken.
func (h *host) sendFailure(ctx context.Context, at stage, err error) *connectors.SendError {
	if answer, ok := errors.AsType[*smtp.SMTPError](err); ok {
		return answered(at, answer)
	}
	var se *connectors.SendError
	switch {
	case errors.Is(ctx.Err(), context.Canceled): // what the connection said then is of our making
		se = failed(connectors.ReasonCanceled, "given up", "")
	case ctx.Err() != nil:
		se = failed(connectors.ReasonTimeout, "no answer in time", "")
	case isMalformed(err):
		se = failed(connectors.ReasonAnswer, "the answer is not SMTP", "See whether a mail server listens at Host and Port.")
	default:
		se = failed(connectors.ReasonConnect, "the connection failed", "")
		if known := h.failure(err); known != nil {
			se = connectors.AsSendError(known)
		}
	}
	said := *se // it may be shared
	if at > stageConnect {
		said.Err = fmt.Errorf("%s: %w", at, se.Err)
	}
	if at == stageDot {
		said.Outcome = connectors.Unknown
	}
	return &said
}

// answered is what a refusal of the server means.
func answered(at stage, a *smtp.SMTPError) *connectors.SendError {
	se := &connectors.SendError{Code: codeOf(a), Err: fmt.Errorf("%s: refused", at)}
	switch a.Code / 100 {
	case 4:
		se.Outcome, se.Reason = connectors.NotSent, temporary(at, a)
		if at == stageRcpt { // greylisted: others are not
			se.Scope = connectors.ScopeRecipient
		}
	case 5:
		se.Outcome, se.Reason, se.Hint = permanent(at, a)
	default: // no code that belongs here
		se.Outcome, se.Reason, se.Err = connectors.NotSent, connectors.ReasonAnswer, fmt.Errorf("%s: no known answer", at)
		if at == stageDot {
			se.Outcome = connectors.Unknown
		}
	}
	return se
}

// codeOf is "550 5.1.1": the server's text may hold the address, and is left out.
func codeOf(a *smtp.SMTPError) string {
	code := strconv.Itoa(a.Code)
	if e := a.EnhancedCode; e[0] > 0 {
		code += fmt.Sprintf(" %d.%d.%d", e[0], e[1], e[2])
	}
	return code
}

// temporary is the reason of a 4xx.
func temporary(at stage, a *smtp.SMTPError) connectors.Reason {
	tooMany := a.EnhancedCode == smtp.EnhancedCode{4, 5, 3} || a.EnhancedCode == smtp.EnhancedCode{4, 3, 2}
	if at != stageAuth && (tooMany || a.EnhancedCode[1] == 7) { // or too fast, or greylisted
		return connectors.ReasonRate
	}
	return connectors.ReasonServer
}

// permanent is the meaning of a 5xx. What concerns every mail - the login, the sender -
// is no fault of this one: it is not sent, and the gateway is paused until somebody
// has looked.
func permanent(at stage, a *smtp.SMTPError) (connectors.Outcome, connectors.Reason, string) {
	subject, detail := a.EnhancedCode[1], a.EnhancedCode[2]
	syntax := a.Code >= 500 && a.Code <= 504 || a.Code == 555
	switch {
	case at == stageAuth, a.Code == 530, a.Code == 535:
		return connectors.NotSent, connectors.ReasonAuth, hintLogin
	case at == stageConnect: // 554: it takes no mail at all
		return connectors.NotSent, connectors.ReasonServer, ""
	case subject == 3 && detail == 4, a.Code == 552 && subject == 0 && at != stageRcpt:
		return connectors.Rejected, connectors.ReasonContent, hintSize
	case at == stageMail && !syntax:
		return connectors.NotSent, connectors.ReasonAuth, hintSender
	case subject == 2, a.Code == 552 && at == stageRcpt:
		return connectors.Rejected, connectors.ReasonBlocked, hintFull
	case at == stageRcpt && subject == 7:
		return connectors.Rejected, connectors.ReasonBlocked, hintRefused
	case at == stageRcpt:
		return connectors.Rejected, connectors.ReasonNotFound, hintRecipient
	}
	return connectors.Rejected, connectors.ReasonContent, hintPolicy
}

func isMalformed(err error) bool {
	_, protocol := errors.AsType[textproto.ProtocolError](err)
	return protocol || errors.Is(err, smtp.ErrTooLongLine)
}
