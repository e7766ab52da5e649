// Package email fetches mails for the core, and sends its mails: the message gateways
// that work with mailboxes and mail servers.
//
// # The house plan
//
//	email.go                 the types of devices, as connectors/all lists them
//	settings.go              their settings, and what is wrong with them
//	host.go                  a mail server: connection, TLS, what its failures mean
//	oauth.go                 access tokens, and XOAUTH2
//	intake.go  spool.go      what every mailbox does with a mail: keep, parse, deliver,
//	                         and remember until it is settled
//	imap*.go                 ImapHost
//	pop3*.go                 Pop3Host
//	dropfolder*.go           DropFolder
//	inbound*.go  mime*.go    a mail's bytes to connectors.Message
//	outbound*.go  smtp*.go   connectors.Message to a mail, and SmtpHost
//
// # How a mail comes in
//
// A mailbox is a queue. Everything that lies in it is to be worked on, except what it
// has been told to leave: so nothing is remembered over a restart. A device lists the
// mailbox, asks for a mail's size before the mail, streams it into the FileKeeper,
// has it parsed and delivers it. Which place in the mailbox belongs to which event is
// kept in memory until the engine calls Settled; only then the mail is moved, marked
// or deleted, and many at a time. Whatever breaks off before that - the connection,
// the process, the mailbox's numbering - brings the mail again, under the same
// Event.ID: it is a repeat, and is settled like one.
//
// No more than 256 mails and 16 MiB of their bodies are delivered and unsettled. What
// is beyond stays where it is.
//
// A mail that is too big is an event that says so, with what its header tells. One
// that cannot be fetched is left for later and never holds up the others.
//
// # How a mail goes out
//
// A message is written as the same bytes at every attempt and for every recipient:
// its Message-ID is the message's SystemID, its boundary is derived, its Date is when
// the core sent it. Bcc stands nowhere in it. Each recipient gets it in a transaction
// of its own, over connections that are kept for a minute and looked at before they
// are used again.
//
// Until the line with the dot that ends a mail has left, no server has it: whatever
// goes wrong is "not sent", or a refusal. From then on only an answer tells; without
// one the outcome is unknown, and no second mail goes out by itself. go-mail writes
// the mails, and go-smtp's client hands them over: go-mail's own calls a lost
// connection permanent, fails mails for a RSET that comes after they were accepted,
// and does not tell whether the dot has left.
package email
