package all

import (
	"servicelink/connectors"
	"servicelink/connectors/email"
	"servicelink/connectors/sms"
)

// Devices returns every type of message gateway, one line each.
func Devices() []connectors.DeviceDefinition {
	return []connectors.DeviceDefinition{
		email.DropFolder,
		email.ImapHost,
		email.Pop3Host,
		email.SmtpHost,
		sms.TwilioSms,
	}
}
