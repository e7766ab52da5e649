// Package omnichannel connects any client that speaks the public Omnichannel
// API: it posts a customer's message to a webhook here, and takes the agent's
// answers at /send_message on its own server.
//
// # In
//
// POST /connector/omnichannel/omnichannel_message/{token}/bot_api_webhook with a
// JSON object of at most 1 MiB; the Content-Type is not looked at. Required:
//
//	event                 "new_message"; any other is answered 200 and counted
//	chat_id               an integer of at most 100 digits, kept exactly
//	message.id            a string
//	message.kind          visitor, file_visitor or keyboard_response
//	visitor.id            a string (not asked of a kind unknown here)
//	message.text          visitor
//	message.data.state    file_visitor; taken when it is "ready", else counted
//	message.data.url      file_visitor that is ready; http or https
//	message.data.button.text  keyboard_response
//
// A required member that is missing, null or empty is answered 400. Any other
// mistake - not JSON, not UTF-8, a name twice in one object, a known member of
// another type, nesting beyond 32 - is answered 500 with an empty body, as the
// API has it; a larger body 413. Members nobody asked for are left alone,
// whatever they hold. An event or a kind of another type is an unknown one. A
// message of an unknown kind becomes an unsupported event: the agent learns that
// the customer sent something.
//
// # Names
//
// TrackingID is "{chat_id}|omnichannel". Event IDs are "omni|{kind}|{message.id}"
// (a file's with "|ready"); they hold no channel, as the journal keeps each
// channel's apart.
//
// # Out
//
// POST {webhook_url}/send_message with "Authorization: Token {webhook_token}"
// when one is set. Any 2xx means accepted, whatever the body. The message's id
// is the core's and stays the same when the fate of a send is unknown and it is
// sent again: the receiver drops an id it has.
package omnichannel
