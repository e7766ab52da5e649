package twilio

import (
	"slices"
	"strconv"
	"time"

	"servicelink/test/netsim/control"
)

// goOn lets a message that was accepted come on by itself as far as the settings
// say, once its files are fetched, or fail with the error fate, 0 = none. Its caller has the server's mutex.
func (n *Network) goOn(m *message, fate int, files []string) {
	n.server.start(func() {
		if m.service != "" && !n.next(m, statusQueued, 0) {
			return
		}
		if fate == 0 {
			fate = n.fetchAll(m, files)
		}
		if fate != 0 {
			n.next(m, failing(fate), fate)
			return
		}
		for _, status := range progress[1:] {
			if !n.automatic(status) || !n.next(m, status, 0) {
				return
			}
		}
	})
}

// automatic says whether a message comes so far by itself.
func (n *Network) automatic(status string) bool {
	if n.channel == "sms" && status == statusRead {
		return false
	}
	return slices.Index(progress, status) <= slices.Index(progress, n.Settings().Status)
}

// failing is the status that goes with an error: what the customer's side says
// makes a message undelivered, what Twilio or the channel says makes it failed.
func failing(code int) string {
	if code >= 30003 && code <= 30008 || code == 63024 || code == 63033 {
		return statusUndelivered
	}
	return statusFailed
}

// next waits for the time between two statuses; false when the server ended.
func (n *Network) next(m *message, status string, code int) bool {
	n.server.mu.Lock()
	pace := n.pace()
	n.server.mu.Unlock()
	if !n.server.pause(pace) {
		return false
	}
	n.reach(m, status, code)
	return true
}

// rank orders statuses: a message goes to a higher one only.
func rank(status string) int {
	switch status {
	case statusUndelivered, statusFailed:
		return 4 // nothing comes after it, and it not after delivered
	case statusDelivered:
		return 5
	case statusRead:
		return 6
	}
	return slices.Index([]string{statusAccepted, statusQueued, statusSent}, status)
}

// reach gives a message a status, shows it and calls back.
func (n *Network) reach(m *message, status string, code int) {
	n.server.mu.Lock()
	if rank(status) <= rank(m.status) || rank(m.status) == 4 {
		n.server.mu.Unlock()
		return
	}
	m.status, m.code, m.updated = status, code, time.Now()
	if m.sent.IsZero() && status != statusQueued {
		m.sent = m.updated
	}
	to, fields := m.callback, n.callback(m)
	n.server.mu.Unlock()
	shown := control.Message{State: status}
	if code != 0 {
		shown.State, shown.Detail = "failed", strconv.Itoa(code)+" "+texts[code]
	}
	_ = n.ChangeMessage(m.one.Account.Account, m.chat, control.ID(m.sid), func(on *control.Message) { // it may be forgotten
		on.State, on.Detail = shown.State, shown.Detail
	})
	if to.url != "" {
		n.post(hookStatus, n.statuses, control.Call{
			Account: m.one.Account.Account, Chat: control.ID(m.sid), Body: []byte(form(fields).Encode()),
		}, to)
	}
}

// callback is the body of a status callback
// (https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks).
func (n *Network) callback(m *message) map[string]string {
	from, to := m.ends()
	fields := map[string]string{
		"MessageSid": m.sid, "SmsSid": m.sid, "MessageStatus": m.status, "SmsStatus": m.status, "AccountSid": m.one.tenant.sid,
		"From": from, "To": to, "ApiVersion": "2010-04-01",
	}
	if m.service != "" {
		fields["MessagingServiceSid"] = m.service
	}
	if m.code != 0 {
		fields["ErrorCode"] = strconv.Itoa(m.code)
	}
	if n.channel == "sms" {
		if rank(m.status) >= 4 {
			fields["RawDlrDoneDate"] = m.updated.UTC().Format("0601021504")
		}
		return fields
	}
	fields["ChannelPrefix"], fields["ChannelToAddress"], fields["StructuredMessage"] = n.channel, string(m.chat), "false"
	if text := texts[m.code]; text != "" {
		fields["ChannelStatusMessage"] = text
	}
	if m.status == statusRead {
		fields["EventType"] = "READ"
	}
	return fields
}
