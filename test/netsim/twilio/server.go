package twilio

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// call is one request of a client.
type call struct {
	*http.Request
	s      *Server
	method string // in the record and in faults
	form   url.Values
	body   string // in JSON, as it came
	tenant *tenant
	n      *Network // whose faults and record count
	one    *sender  // may be nil
}

// endpoint is one thing that can be asked. What place and do do, they do with the
// server's mutex.
type endpoint struct {
	method string
	place  func(*call) // sets n and one; nil = by the parameters
	do     func(*call) (control.Answer, error)
	open   bool // without credentials
}

// methodAccount is the one call of an account that is not active.
const methodAccount = "account"

// routes are what Twilio's three hosts answer.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	const account = "/2010-04-01/Accounts/{ac}"
	for pattern, e := range map[string]endpoint{
		"GET /2010-04-01/Accounts/{file}":                  {method: methodAccount, do: (*call).account},
		"POST " + account + "/Messages.json":               {method: "create_message", do: (*call).createMessage},
		"GET " + account + "/Messages.json":                {method: "list_messages", do: (*call).listMessages},
		"GET " + account + "/Messages/{file}":              {method: "fetch_message", place: (*call).placeMessage, do: (*call).fetchMessage},
		"GET " + account + "/Messages/{sid}/Media.json":    {method: "list_media", place: (*call).placeMessage, do: (*call).listMedia},
		"GET " + account + "/Messages/{sid}/Media/{file}":  {method: "media", place: (*call).placeMessage, do: (*call).media},
		"GET /cdn/{ac}/{file}":                             {method: "media_file", place: (*call).placeFile, do: (*call).mediaFile, open: true},
		"GET " + account + "/IncomingPhoneNumbers.json":    {method: "list_numbers", place: (*call).placeSMS, do: (*call).listNumbers},
		"GET " + account + "/IncomingPhoneNumbers/{file}":  {method: "fetch_number", place: (*call).placeSMS, do: (*call).fetchNumber},
		"POST " + account + "/IncomingPhoneNumbers/{file}": {method: "update_number", place: (*call).placeSMS, do: (*call).updateNumber},
		"POST /messaging/v2/Indicators/Typing.json":        {method: "typing", place: (*call).placeTyping, do: (*call).typing},
		"GET /messaging/v2/Channels/Senders":               {method: "list_senders", place: (*call).placeWhatsApp, do: (*call).listSenders},
		"GET /messaging/v2/Channels/Senders/{sid}":         {method: "fetch_sender", place: (*call).placeWhatsApp, do: (*call).fetchSender},
		"POST /messaging/v2/Channels/Senders/{sid}":        {method: "update_sender", place: (*call).placeWhatsApp, do: (*call).updateSender},
		"GET /messaging/v1/Services":                       {method: "list_services", do: (*call).listServices},
		"GET /messaging/v1/Services/{sid}":                 {method: "fetch_service", place: (*call).placeService, do: (*call).fetchService},
		"POST /messaging/v1/Services/{sid}":                {method: "update_service", place: (*call).placeService, do: (*call).updateService},
		"GET /monitor/v1/Alerts":                           {method: "list_alerts", do: (*call).listAlerts},
		"/":                                                {method: "unknown", do: func(c *call) (control.Answer, error) { return control.Answer{}, notFound(c.URL.Path) }},
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, e) })
	}
	return mux
}

// serve answers one request and records it.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, e endpoint) {
	c := &call{Request: r, s: s, method: e.method}
	var unread error
	c.form, c.body, unread = readForm(r)
	s.mu.Lock()
	auth := c.identify(e.open)
	c.place(e)
	account := r.PathValue("ac")
	if c.one != nil {
		account = c.one.Account.Account
	}
	s.mu.Unlock()
	seq := c.n.Begin(control.Request{
		Account: account, Method: e.method, Header: r.Header.Clone(), Params: recorded(c.form), Body: c.body,
	})
	fault, spoilt := c.n.Take(account, e.method)
	var answer control.Answer
	if spoilt && fault.Instead() {
		answer = instead(fault, r.URL.Path)
	} else {
		answer = c.answer(errors.Join(auth, unread), e)
	}
	status := answer.Status
	if fault.Kind == control.Swallow || fault.Kind == control.Outage {
		status = 0
	}
	c.n.End(seq, status, string(answer.Body), fault.Kind)
	control.Give(w, r, answer, fault, s.life.Done())
}

// answer does what is asked, unless something speaks against it.
func (c *call) answer(against error, e endpoint) control.Answer {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	var a control.Answer
	err := against
	if err == nil && !e.open && !c.tenant.rate.take(c.n.settings.PerSecond, time.Now()) {
		err = errRate
	}
	if err == nil {
		a, err = e.do(c)
	}
	if err == nil {
		return a
	}
	if refusal, ok := errors.AsType[*apiError](err); ok {
		return refusal.answer()
	}
	return (&apiError{http.StatusInternalServerError, 20500, err.Error()}).answer()
}

// identify finds the Twilio account whose credentials r has. Another one's
// resources are not there for it.
func (c *call) identify(open bool) error {
	name, secret, ok := c.BasicAuth()
	for _, t := range c.s.tenants {
		want, known := t.keys[name]
		if name == t.sid {
			want, known = t.token, true
		}
		if ok && known && subtle.ConstantTimeCompare([]byte(secret), []byte(want)) == 1 {
			c.tenant = t
		}
	}
	asked := c.PathValue("ac")
	if asked == "" && strings.HasPrefix(c.PathValue("file"), "AC") {
		asked = strings.TrimSuffix(c.PathValue("file"), ".json")
	}
	switch {
	case open:
		return nil
	case c.tenant == nil:
		c.tenant = c.s.tenants[asked] // for the record
		return errAuth
	case asked != "" && asked != c.tenant.sid:
		return notFound(c.URL.Path)
	case c.tenant.status != statusActive && c.method != methodAccount:
		return errNotActive
	}
	return nil
}

// place finds the network and the sender that the request is about.
func (c *call) place(e endpoint) {
	if c.tenant == nil {
		c.tenant = &tenant{} // nobody's
	}
	if e.place != nil {
		e.place(c)
	} else {
		c.placeParams()
	}
	if c.n == nil && c.one != nil {
		c.n = c.one.net
	}
	if c.n == nil && len(c.tenant.senders) > 0 {
		c.one = c.tenant.senders[0]
		c.n = c.one.net
	}
	if c.n == nil {
		c.n = c.s.sms
	}
}

// placeParams goes by From, To and the messaging service.
func (c *call) placeParams() {
	from, to := c.form.Get("From"), c.form.Get("To")
	if from == "" && to == "" {
		return
	}
	c.n = c.s.sms
	if strings.HasPrefix(from+to, "whatsapp:") {
		c.n = c.s.whatsapp
	}
	for _, name := range []string{from, to} {
		if one := c.n.senders[number(name)]; one != nil && one.tenant == c.tenant {
			c.one = one
		}
	}
	if service := c.form.Get("MessagingServiceSid"); c.one == nil && service != "" {
		c.one = c.tenant.member(service, c.n)
	}
}

func (c *call) placeSMS()      { c.placeAt(c.s.sms) }
func (c *call) placeWhatsApp() { c.placeAt(c.s.whatsapp) }

// placeAt takes the sender that the path names, or the first one.
func (c *call) placeAt(n *Network) {
	c.n = n
	sid := strings.TrimSuffix(c.PathValue("file")+c.PathValue("sid"), ".json")
	for _, one := range c.tenant.senders {
		if one.net == n && (c.one == nil || sid == one.numberSID || sid == one.senderSID) {
			c.one = one
		}
	}
}

func (c *call) placeService() {
	for _, n := range []*Network{c.s.sms, c.s.whatsapp} {
		if one := c.tenant.member(c.PathValue("sid"), n); one != nil {
			c.one = one
		}
	}
}

// member is the first sender of a messaging service in a network.
func (t *tenant) member(service string, n *Network) *sender {
	for _, one := range t.senders {
		if one.Service == service && one.net == n {
			return one
		}
	}
	return nil
}

// account answers for the Twilio account.
func (c *call) account() (control.Answer, error) {
	t := c.tenant
	if c.PathValue("file") != t.sid+".json" {
		return control.Answer{}, notFound(c.URL.Path)
	}
	uri := "/2010-04-01/Accounts/" + t.sid
	return reply(http.StatusOK, map[string]any{
		"sid": t.sid, "friendly_name": "Simulated", "status": t.status, "type": "Full", "auth_token": t.token,
		"owner_account_sid": t.sid, "date_created": date(t.made), "date_updated": date(t.made), "uri": uri + ".json",
		"subresource_uris": map[string]string{
			"messages": uri + "/Messages.json", "incoming_phone_numbers": uri + "/IncomingPhoneNumbers.json",
		},
	}), nil
}

// bucket is a token bucket with a second's burst.
type bucket struct {
	tokens float64
	at     time.Time
}

// take takes a token, if there is one; a rate of 0 has no limit.
func (b *bucket) take(rate float64, now time.Time) bool {
	if rate <= 0 {
		return true
	}
	burst := max(rate, 1)
	if b.at.IsZero() {
		b.tokens = burst
	}
	b.tokens = min(burst, b.tokens+rate*now.Sub(b.at).Seconds())
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
