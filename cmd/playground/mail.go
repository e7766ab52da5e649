package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/google/uuid"

	"servicelink/simprot"
	"servicelink/test/netsim/mail"
	"servicelink/test/netsim/twilio"
)

// Who writes mails and short messages that go as messages.
const (
	support = "support@example.test" // the mailbox that the gateway reads

	textNumber = "+420800777888" // of short messages, beside the number of the chats
)

// people have mailboxes.
var people = []string{"alice@example.test", "bob@example.test"}

// The gateways of the core's register. Their GUIDs stay: the journal knows what is on
// its way by them.
var (
	gatewayMailIn  = uuid.MustParse("6b8a2d34-5f0e-4b0c-9d52-0c1f6a7e1001")
	gatewayMailOut = uuid.MustParse("6b8a2d34-5f0e-4b0c-9d52-0c1f6a7e1002")
	gatewayTextIn  = uuid.MustParse("6b8a2d34-5f0e-4b0c-9d52-0c1f6a7e1003")
	gatewayTextOut = uuid.MustParse("6b8a2d34-5f0e-4b0c-9d52-0c1f6a7e1004")
)

// newMail makes a mail host with the mailboxes, and the file by which the gateway
// knows its certificate.
func (h *house) newMail() (*mail.Server, error) {
	host, err := mail.New(mail.Options{Name: "mail.example.test", Auth: true})
	if err != nil {
		return nil, err
	}
	err = errors.Join(host.AddMailbox(support, h.mailbox), os.WriteFile(h.mailCA(), host.CA(), 0o600))
	for _, who := range people {
		err = errors.Join(err, host.AddMailbox(who, h.mailbox))
	}
	if err != nil {
		host.Close()
		return nil, err
	}
	return host, nil
}

func (h *house) mailCA() string { return filepath.Join(h.data, "mail-ca.pem") }

// register is the core's: the gateways of the mailbox and of the number for short
// messages, as an operator would write them.
func (h *house) register(host *mail.Server) (simprot.GatewayList, error) {
	text := map[string]any{
		"AccountSID": h.twilio.sid, "AuthToken": h.twilio.token, "From": textNumber, "APIURL": h.url() + "/twilio",
	}
	in, errIn := h.mailDevice(host.IMAPS(), map[string]any{"Addresses": []string{support}, "Poll": "20s"})
	out, errOut := h.mailDevice(host.SMTP(), map[string]any{"From": support, "Name": "Support", "Security": "starttls"})
	var list simprot.GatewayList
	for _, g := range []struct {
		id                    uuid.UUID
		name, device, channel string
		direction             string
		settings              map[string]any
	}{
		{gatewayMailIn, "Support mailbox", "ImapHost", "email", simprot.DirectionIn, in},
		{gatewayMailOut, "Support's mails", "SmtpHost", "email", simprot.DirectionOut, out},
		{gatewayTextIn, "Short messages in", "TwilioSms", "sms", simprot.DirectionIn, text},
		{gatewayTextOut, "Short messages out", "TwilioSms", "sms", simprot.DirectionOut, text},
	} {
		settings, err := json.Marshal(g.settings)
		if err != nil {
			return nil, err
		}
		list = append(list, &simprot.GatewayInfo{
			Id: g.id, DisplayName: g.name, PeerAddress: peer, Channel: g.channel, Direction: g.direction,
			Device: g.device + " " + string(settings),
		})
	}
	return list, errors.Join(errIn, errOut)
}

// mailDevice is the settings of a device at the mail host, with some of its own.
func (h *house) mailDevice(address string, more map[string]any) (map[string]any, error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("the mail host's port: %w", err)
	}
	settings := map[string]any{"Host": name, "Port": number, "User": support, "Password": h.mailbox, "CA": h.mailCA()}
	maps.Copy(settings, more)
	return settings, nil
}

// addTexts gives the number for short messages to the network of the chats by SMS.
func (h *house) addTexts(n *twilio.Network) error {
	return n.AddAccount(twilio.Account{
		Account: textNumber, AccountSID: h.twilio.sid, AuthToken: h.twilio.token,
		MessageURL: "http://" + h.public + "/connector/" + channelSMS + "/message",
	})
}
