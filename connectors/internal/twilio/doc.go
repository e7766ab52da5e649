// Package twilio is what the connectors of Twilio's networks have in common: one
// Channel is one sender - a number, or a messaging service - of one account.
//
// # In
//
// Twilio posts a form for each message to /connector/NETWORK/message and for each
// change of a message of ours to /connector/NETWORK/status. All channels of a
// network share the two paths: a call belongs to the channel whose account and
// sender it names, and is genuine when it is signed with that channel's auth_token,
// or with auth_token_other while the token is being changed. The signature covers
// public.url letter by letter, so that must be what is entered at Twilio. See
// signature.go.
//
// A call that gets no answer in 15 s is tried once more at most, then it is lost:
// Recover lists what came and delivers what is missing.
//
// Nobody says in what order status calls come. Each is a notice, and the engine
// lets a message's status go forward only.
//
// # Names
//
// A conversation is the customer's address as it stands in From, without the
// "whatsapp:" of its network: "+420601234567|whatsapp". A person with a username may
// come without a number: "ID.1234" there, which stays whatever the number becomes.
// Event IDs are made of MessageSid alone and of no kind, as a list of messages does
// not tell whether one was the press of a button.
//
// # Out
//
// Messages are created by github.com/twilio/twilio-go, of which only the requests
// are used; see rest.go for what it must not do. There is no idempotency key: a send
// whose answer is lost is unknown, and is looked for in the list of messages
// (reconcile.go) or told by a status call.
package twilio
