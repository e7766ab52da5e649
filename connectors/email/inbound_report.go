package email

import (
	"context"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"servicelink/connectors"
)

const (
	maxReport = 64 << 10 // bytes of a report's machine-readable part
	maxGroups = 200      // recipients in it
	maxReason = 500      // bytes of what the server said
)

// readGroups reads blocks of fields with empty lines between them (RFC 3464, 2.1).
func readGroups(ctx context.Context, body io.Reader) ([]header, error) {
	s := newScanner(ctx, io.LimitReader(body, maxReport))
	var groups []header
	for len(groups) < maxGroups {
		h := s.header(maxReport)
		if len(h) > 0 {
			groups = append(groups, h)
			continue
		}
		if piece, _ := s.next(); piece == nil { // a line that is no field, or the end
			break
		}
	}
	return groups, s.failed()
}

// readHeader reads the header of a mail within the mail.
func readHeader(ctx context.Context, body io.Reader) (header, error) {
	s := newScanner(ctx, io.LimitReader(body, maxReport))
	h := s.header(maxReport)
	if h == nil {
		h = header{}
	}
	return h, s.failed()
}

// report is what the mail says of one of ours, nil where it is no report. It sets
// what mail that is.
func (r *reading) report(m *connectors.Message) *connectors.DeliveryReport {
	var report *connectors.DeliveryReport
	switch {
	case len(r.reports) > 0 && (r.kind.name == "multipart/report" || r.fromServer()):
		report = r.deliveryReport()
	case r.receipt != nil:
		report = r.readReceipt()
	case r.kind.name == "multipart/report" && r.kind.params["report-type"] != "disposition-notification", r.fromServer():
		report = r.classicReport(m)
	}
	if report == nil {
		return nil
	}
	if id := r.reportedID(); id != "" {
		m.InReplyTo = id
	}
	report.Reason = strings.Join(strings.Fields(oneLine(cutText(report.Reason, maxReason))), " ")
	return report
}

// fromServer: written by a mail server to the sender of a mail (RFC 5321, 4.5.5).
func (r *reading) fromServer() bool {
	local, _, _ := strings.Cut(strings.ToLower(r.sender.addr), "@")
	if local == "" {
		local = strings.ToLower(r.sender.name)
	}
	return strings.HasPrefix(local, "mailer-daemon") || local == "postmaster" || local == "mail delivery subsystem"
}

// reportedID is the Message-ID of the mail that the report is about.
func (r *reading) reportedID() string {
	if id := messageID(r.returned.get("message-id")); id != "" {
		return id
	}
	for _, h := range append(r.reports, r.receipt) {
		for _, name := range []string{"original-message-id", "x-original-message-id"} {
			if id := messageID(h.get(name)); id != "" {
				return id
			}
		}
	}
	return ""
}

// severity orders what a report says of several recipients: one line is told.
var severity = map[string]int{"failed": 5, "delayed": 4, "expanded": 1, "delivered": 2, "relayed": 3}

func (r *reading) deliveryReport() *connectors.DeliveryReport {
	var worst *connectors.DeliveryReport
	for _, h := range r.reports {
		if !h.has("action") && !h.has("status") && !h.has("final-recipient") {
			continue // the group about the mail as a whole
		}
		one := &connectors.DeliveryReport{
			Action: strings.ToLower(firstWord(stripComments(h.get("action")))),
			Status: statusCode.FindString(h.get("status")),
			Reason: decodeHeader(afterType(h.get("diagnostic-code")), ""),
		}
		one.Recipient = cleanAddress(strings.Trim(afterType(h.get("original-recipient")), "<> "))
		if one.Recipient == "" {
			one.Recipient = cleanAddress(strings.Trim(afterType(h.get("final-recipient")), "<> "))
		}
		if one.Action == "" {
			one.Action = actionOf(one.Status)
		}
		if worst == nil || severity[one.Action] > severity[worst.Action] {
			worst = one
		}
	}
	return worst
}

// readReceipt is a receipt that somebody's program wrote: "displayed", "deleted".
func (r *reading) readReceipt() *connectors.DeliveryReport {
	disposition := r.receipt.get("disposition") // "manual-action/MDN-sent-manually; displayed"
	if _, what, ok := strings.Cut(disposition, ";"); ok {
		disposition = what
	}
	action, _, _ := strings.Cut(strings.TrimSpace(stripComments(disposition)), "/")
	return &connectors.DeliveryReport{
		Action:    strings.ToLower(firstWord(action)),
		Recipient: cleanAddress(strings.Trim(afterType(r.receipt.get("final-recipient")), "<> ")),
	}
}

var (
	// statusCode is an enhanced status code (RFC 3463).
	statusCode = regexp.MustCompile(`\b[245]\.\d{1,3}\.\d{1,3}\b`)
	// replyCode is one of SMTP at the start of what a server said.
	replyCode = regexp.MustCompile(`(?m)(?:^|[\s:>])([45]\d\d)[ -][^\n]{0,400}`)
	// returnedID is the Message-ID among the headers that old reports quote.
	returnedID = regexp.MustCompile(`(?im)^[> \t]*Message-ID:[ \t]*\r?\n?[ \t]*(<[^<>\s]{1,512}>)`)
	// failedAddress is whom old reports name on a line of its own.
	failedAddress = regexp.MustCompile(`(?m)^[ \t]*<?([^\s<>@:]{1,64}@[^\s<>@:]{1,200}?)>?:?[ \t]*$`)
)

// classicReport reads reports of servers that know no RFC 3464: what they say is in
// the text, for people. Without the mail that came back, or its Message-ID, a letter
// from a postmaster is a letter.
func (r *reading) classicReport(m *connectors.Message) *connectors.DeliveryReport {
	text := cutText(m.Text, maxReport)
	failed := r.root.get("x-failed-recipients")
	if found := returnedID.FindStringSubmatch(text); found != nil && len(r.returned) == 0 {
		r.returned = header{{"message-id", found[1]}}
	}
	if messageID(r.returned.get("message-id")) == "" && failed == "" && r.kind.name != "multipart/report" {
		return nil
	}
	report := &connectors.DeliveryReport{Action: "failed", Status: statusCode.FindString(text)}
	if found := replyCode.FindString(text); found != "" {
		report.Reason = strings.TrimLeft(found, " \t\r\n:>")
	}
	for _, a := range parseAddresses(failed, "") {
		report.Recipient = a.addr
		break
	}
	if found := failedAddress.FindStringSubmatch(text); report.Recipient == "" && found != nil {
		report.Recipient = cleanAddress(found[1])
	}
	subject := strings.ToLower(m.Subject)
	switch {
	case report.Status != "":
		report.Action = actionOf(report.Status)
	case strings.Contains(subject, "warning") || strings.Contains(subject, "delayed"):
		report.Action = "delayed"
	}
	return report
}

// actionOf tells what a status code means for the mail.
func actionOf(status string) string {
	switch {
	case strings.HasPrefix(status, "2"):
		return "delivered"
	case strings.HasPrefix(status, "4"):
		return "delayed"
	default:
		return "failed"
	}
}

// afterType is a value without the type before it: "rfc822; a@b", "smtp; 550 no".
func afterType(value string) string {
	if kind, rest, ok := strings.Cut(value, ";"); ok && utf8.RuneCountInString(kind) < 20 && !strings.ContainsAny(strings.TrimSpace(kind), " @") {
		return strings.TrimSpace(rest)
	}
	return strings.TrimSpace(value)
}

func firstWord(s string) string {
	for word := range strings.FieldsSeq(s) {
		return word
	}
	return ""
}
