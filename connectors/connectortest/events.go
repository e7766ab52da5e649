package connectortest

import (
	"errors"
	"regexp"
	"slices"
	"testing"
	"unicode/utf8"

	"servicelink/connectors"
)

var (
	eventIDForm    = regexp.MustCompile(`^[0-9a-z:_.|-]{1,64}$`)
	trackingIDForm = regexp.MustCompile(`^[0-9a-z:_.|+@-]+$`)
)

var kinds = []connectors.Kind{
	connectors.KindText, connectors.KindFile, connectors.KindLocation, connectors.KindContact, connectors.KindButton,
	connectors.KindEdit, connectors.KindDelete, connectors.KindReaction, connectors.KindService,
	connectors.KindUnsupported, connectors.KindStop, connectors.KindNotice,
}

// verdict judges what Parse returned, whatever it was given.
func verdict(c connectors.Connector, result connectors.ParseResult, err error) []string {
	if err == nil {
		found := faults(c, result.Events)
		if len(result.Events) == 0 && len(result.Ignored) == 0 {
			found = append(found, "Parse took nothing and does not say why (ParseResult.Ignored)")
		}
		return found
	}
	var found []string
	var re *connectors.RequestError
	if !errors.As(err, &re) || re.Reason == "" {
		found = append(found, "Parse's error is no *RequestError with a reason")
	}
	if len(result.Events)+len(result.Ignored) > 0 {
		found = append(found, "Parse returns an error and events, or counts")
	}
	return found
}

// faults judges the form of events.
func faults(c connectors.Connector, events []connectors.Event) (found []string) {
	for _, ev := range events {
		if !eventIDForm.MatchString(ev.ID) {
			found = append(found, "event ID "+ev.ID+" is not made by EventID")
		}
		if !trackingIDForm.MatchString(ev.TrackingID) {
			found = append(found, "TrackingID "+ev.TrackingID+" is not made by TrackingID")
		}
		if !slices.Contains(kinds, ev.Kind) {
			found = append(found, "event of the unknown kind "+string(ev.Kind))
		}
		if ev.Kind != connectors.KindNotice && (ev.Customer.RemoteAddress == "" || ev.Customer.PartyName == "") {
			found = append(found, "event without RemoteAddress or PartyName")
		}
		if utf8.RuneCountInString(ev.Customer.UserToken) > connectors.MaxUserToken {
			found = append(found, "UserToken over its limit")
		}
		if !utf8.ValidString(ev.Text) || !utf8.ValidString(ev.Customer.UserToken) {
			found = append(found, "event with text that is not UTF-8")
		}
		if missing(ev) {
			found = append(found, "event of kind "+string(ev.Kind)+" without what makes it one")
		}
		a, ok := c.(connectors.Addresser)
		if !ok {
			continue
		}
		if addr, known := a.Address(ev.TrackingID); !known || addr.TrackingID != ev.TrackingID || addr.RemoteAddress == "" {
			found = append(found, "no address can be read from the TrackingID of an event")
		}
	}
	return found
}

// missing reports whether ev lacks the member its kind is about.
func missing(ev connectors.Event) bool {
	switch ev.Kind {
	case connectors.KindText:
		return ev.Text == ""
	case connectors.KindFile:
		return ev.File == nil
	case connectors.KindLocation:
		return ev.Location == nil
	case connectors.KindContact:
		return ev.Contact == nil
	case connectors.KindButton:
		return ev.Button == nil
	case connectors.KindEdit, connectors.KindDelete, connectors.KindReaction:
		return ev.RefID == ""
	case connectors.KindNotice:
		n := ev.Notice
		if n != nil && n.Ref == "" { // the network names it otherwise: see Notice.Ref
			return n.Status == connectors.StatusNone || (n.NetworkID == "") == n.UpTo.IsZero()
		}
		return n == nil || n.Fate == connectors.FateUnknown ||
			n.Fate == connectors.FateSent && n.NetworkID == "" || n.Fate == connectors.FateFailed && n.Failure == nil
	}
	return false
}

// Fuzz is a fuzz target over the body of the webhook, for connectors whose
// harness has one. More seeds, such as recorded payloads, may be given.
func Fuzz(f *testing.F, h Harness, seeds ...[]byte) {
	p := &probe{h: h, record: newRecord()}
	f.Cleanup(p.end)
	m := p.mount()
	hook, req := m.find(h.Webhook.Text(message("1", "text")))
	_, unknown := m.find(h.Webhook.Unknown(message("1", "text")))
	for _, seed := range append(seeds, req.Body, unknown.Body) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := *req
		r.Body = body
		result, err := hook.Parse(&r)
		for _, problem := range verdict(m.c, result, err) {
			t.Error(problem)
		}
	})
}
