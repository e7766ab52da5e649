// Package gateway is the engine between connectors and the core chat server:
// it takes what a network brings, keeps it in the journal, gives it to the
// core once and in order, and carries the answers back.
//
// # Rooms, in the direction the data walks
//
//	gateway.go       wiring, start and stop: read it first
//	channel.go       one configured channel with its Port at the core
//
//	webhook.go       in: limit, verify, parse, journal, reply
//	inbox.go         in: events -> journal entries (every way in ends here)
//	lanes.go         journal rows -> the lane of their conversation, bounded
//	conversation.go  what is known of one conversation, and its two lanes
//	inbound.go       in: one event at a time to the core, until its echo
//	opening.go       in: REQUEST, START, and what happens while closed
//	answers.go       what STATUS and START answers say about both directions
//	link.go          the SimProt connection: sessions, packets to conversations
//	resync.go        RESYNC of a Port and the questions that follow
//	window.go        how many sentences may be unanswered, fairly
//	outbound.go      out: SE_CHAT_SENTENCE -> journal; release in Counter order
//	sending.go       out: parts, attempts, outcomes, retry
//	retry.go         out: how long to wait, by reason
//	limits.go        out: account and recipient buckets, credential pause
//	notes.go         what the agent is told when something is not delivered
//	typing.go        typing, both ways, never queued
//	translate.go     the only file that knows both connectors and simprot
//	content.go       what a journal row holds
//	tick.go          timers: forgotten lanes, sweeping, evicting
//	metrics.go, health.go, private.go, admin.go, listen.go
//
// # Who may touch what
//
// The journal's writer goroutine hands rows to lanes (lanes.go) and never
// waits. A lane with work has one goroutine (inbound.go, sending.go); it ends
// when the lane is empty. A Port has one goroutine per session (resync.go).
// The link's reader goroutine (link.go) only looks conversations up and leaves
// a word there. A conversation's fields are guarded by its mutex, which is
// never held while waiting.
package gateway
