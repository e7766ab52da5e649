// Package telegram connects one Telegram bot by the Bot API, by long polling.
//
// # In
//
// Run asks getMe, looks whether a webhook is set, and then calls getUpdates. An
// update is confirmed - by polling with a higher offset - only after its whole
// batch was delivered to the engine; until then Telegram keeps it. Each update is
// decoded alone: one that the models do not know costs nobody else anything.
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
// and a hash of what it shows, a reaction's with its date and a hash of the set.
// Messages are named by their message id, which is unique in its chat only.
//
// # Groups
//
// A group is one conversation. PartyName and RemoteAddress are those of whoever
// wrote the message, so that the agent sees who speaks.
//
// # Out
//
// See outbound.go. There is no idempotency key: a send whose answer was lost is
// unknown and is reported, unless the channel says otherwise.
package telegram
