package email

import (
	"servicelink/config"
	"servicelink/connectors"
)

// Network is the family of the devices, in metrics and in the roster.
const Network = "email"

// ImapHost is the entry for connectors/all of what fetches the mails of a mailbox by
// IMAP (RFC 3501, RFC 9051).
var ImapHost = connectors.DeviceDefinition{Type: "ImapHost", Network: Network, In: true, New: newImapHost}

// Pop3Host is the entry of what fetches the mails of a maildrop by POP3 (RFC 1939).
var Pop3Host = connectors.DeviceDefinition{Type: "Pop3Host", Network: Network, In: true, New: newPop3Host}

// DropFolder is the entry of what takes mails that another program puts into a folder
// as files.
var DropFolder = connectors.DeviceDefinition{Type: "DropFolder", Network: Network, In: true, New: newDropFolder}

// capabilities of what only receives: nothing is ever sent by it.
func capabilities() connectors.Capabilities { return connectors.Capabilities{Unknown: config.Report} }
