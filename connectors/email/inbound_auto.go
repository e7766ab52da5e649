package email

import (
	"slices"
	"strings"

	"servicelink/connectors"
)

// maxReceived is how many servers a mail may have passed before it is taken to run
// in a circle. Servers themselves stop at 25 to 100.
const maxReceived = 50

// fillAuto says what wrote the mail where no person did. What is in doubt is a
// person's: it costs a look, the other way round a customer.
func (r *reading) fillAuto(m *connectors.Message) {
	if m.Report = r.report(m); m.Report != nil {
		m.Auto = connectors.AutoReport
		return
	}
	switch {
	case r.isLoop():
		m.Auto = connectors.AutoLoop
	case r.isReply():
		m.Auto = connectors.AutoReply
	case r.isList():
		m.Auto = connectors.AutoList
	case r.isAutomatic(m):
		m.Auto = connectors.AutoReply
	}
}

// isLoop: a mail of ours, or one that goes round.
func (r *reading) isLoop() bool {
	if len(r.root.all("received")) > maxReceived {
		return true
	}
	for _, own := range r.p.settings.Addresses {
		if strings.EqualFold(own, r.sender.addr) {
			return true
		}
		for _, passed := range r.root.all("x-loop") {
			if strings.EqualFold(own, cleanAddress(strings.Trim(passed, "<> "))) {
				return true
			}
		}
	}
	return false
}

// word is the first word of a field, in lower case.
func (r *reading) word(name string) string {
	value, _, _ := strings.Cut(stripComments(r.root.get(name)), ";")
	return strings.ToLower(strings.TrimSpace(value))
}

// isReply: an answering machine that says so (RFC 3834, and what was there before).
func (r *reading) isReply() bool {
	switch r.word("auto-submitted") {
	case "auto-replied", "auto-replied-vacation":
		return true
	}
	switch r.word("precedence") {
	case "auto_reply", "auto-reply":
		return true
	}
	switch r.word("x-autoreply") {
	case "", "no", "false":
	default:
		return true
	}
	return slices.ContainsFunc([]string{"x-autorespond", "x-autoresponder", "x-autoresponse", "x-autoreply-from", "x-mail-autoreply"}, r.root.has)
}

// isList: a mailing list, a newsletter.
func (r *reading) isList() bool {
	switch r.word("precedence") {
	case "bulk", "list", "junk":
		return true
	}
	return r.root.get("list-id") != "" || r.root.get("list-unsubscribe") != "" || r.root.get("list-post") != ""
}

// isAutomatic: marks that tell less. A subject alone tells nothing: people write
// "out of office", too.
func (r *reading) isAutomatic(m *connectors.Message) bool {
	switch r.word("auto-submitted") {
	case "", "no":
	default:
		return true
	}
	if r.root.has("return-path") && strings.Trim(r.root.get("return-path"), "<> ") == "" {
		return true
	}
	if r.root.get("x-auto-response-suppress") == "" {
		return false
	}
	// Exchange writes it into what programs send and into its own answers; some
	// programs into what a person wrote with them, to be spared answers.
	return strings.EqualFold(r.root.get("x-auto-response-suppress"), "all") || isVacation(m.Subject)
}

// isVacation: how answering machines begin their subjects.
func isVacation(subject string) bool {
	subject = strings.ToLower(subject)
	for _, start := range []string{
		"out of office", "out of the office", "automatic reply", "auto reply", "autoreply", "auto:", "auto-reply",
		"automatische antwort", "abwesenheit", "abwesend", "réponse automatique", "risposta automatica",
		"respuesta automática", "automatická odpověď", "automatisch antwoord", "autosvar", "resposta automática",
		"odpowiedź automatyczna", "automaattinen vastaus", "автоответ", "自動応答", "自动答复",
	} {
		if strings.HasPrefix(subject, start) {
			return true
		}
	}
	return false
}
