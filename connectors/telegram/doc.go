// Package telegram connects one Telegram bot by the Bot API, by long polling.
//
// # In
//
// Run asks getMe, looks whether a webhook is set, and then calls getUpdates. An
// update is confirmed - by polling with a higher offset - only after its whole
// batch was delivered to the engine; until then Telegram keeps it. Each update is
// decoded alone: one that the models do not know costs nobody else anything.
//
// A webhook that is set for the bot is somebody else's until take_over says
// otherwise: Run names its host and reads nothing. A failure ends Run; the engine
// calls it again after the wait that the error asks for. A second reader is a failure
// when it stays: Examine is one for a moment.
//
// What becomes of an update:
//
//	text                      text; the address of a link behind its words
//	photo, file, voice, ...   file with its caption; one over 20 MB is too big
//	album                     its files one by one: nothing says where it ends
//	sticker                   file with its emoji
//	location, venue, contact  themselves
//	poll, checklist, dice     text
//	press of a button         button; it is answered once it is journaled
//	data of a web app         button
//	edit                      edit, with all that the message shows now
//	reaction                  reaction, with all that the person has there now
//	reply                     quote: the marked part, else the whole message
//	forwarded message         "Forwarded from ...:" in front
//	/start with a UUID        the text, and the UUID as ReturnChatID
//	the bot blocked, removed  stop
//	business messages deleted delete
//	what its owner writes     service: it is not the customer's word
//	joins, titles, pins, ...  service
//	anything else             unsupported
//
// An update that names no chat stands in the private chat of the person it names,
// else in the conversation that has the bot's own id, where nobody writes.
//
// # Names
//
// A conversation is a chat, a topic of it, one person's messages to a channel, or
// a chat that a business account lets the bot see:
//
//	{chat id}|telegram
//	{chat id}|{topic id}|telegram
//	{chat id}|d:{direct messages topic id}|telegram
//	{chat id}|b:{business connection id}|telegram
//
// Event IDs are "{bot id}|{kind}|{chat id}:{message id}", an edit's with its date
// and a hash of what it shows, a reaction's with its date and a hash of the set
// and the update.
// Messages are named by their message id, which is unique in its chat only; as an
// event's NetworkID therefore "{chat id}:{message id}".
//
// # Groups
//
// A group is one conversation. PartyName and RemoteAddress are those of whoever
// wrote the message, so that the agent sees who speaks; the group's title is in
// the UserToken. A reaction in a topic stands in the group's conversation, as
// Telegram does not tell the topic. A group that becomes a supergroup gets another
// id and so another conversation; both are told.
//
// # Out
//
// See outbound.go. There is no idempotency key: a send whose answer was lost is
// unknown and is reported, unless the channel says otherwise.
package telegram
