// Package gateway is the engine between connectors and the core chat server:
// it takes what a network brings, keeps it in the journal, gives it to the
// core once and in order, and carries the answers back.
//
// # Rooms, in the direction the data walks
//
//	gateway.go       wiring, start and stop: read it first
//	build.go         the configuration -> connectors and channels, every mistake at once
//	setup.go         the same on trial, for who only asks: mistakes, and what to enter at the networks
//	roster.go        what is configured now, replaced as a whole
//	channel.go       one configured channel with its Port at the core; life.go its goroutines
//	runner.go        what polls: its start, its failures, its states
//	recover.go       looks for messages whose webhook was lost
//	listen.go        sockets and HTTP servers, and their end; listen_limit.go how many callers, and of one
//	reload.go        a configuration that was read again: channels change one by one
//
//	webhook.go       in: limit, verify, parse, journal, reply
//	webhook_*.go     in: mount (paths), read (the request, bounded), reply (and the border for panics)
//	inbox.go         in: events -> journal entries (every way in ends here)
//	lanes.go         journal rows -> the lane of their conversation, bounded
//	conversation.go  what is known of one conversation, and its two lanes
//	inbound.go       in: one event at a time to the core, until its echo
//	opening.go       in: REQUEST, START, and what happens while closed
//	answers.go       what STATUS and START answers say about both directions
//	link.go          the SimProt connection: sessions, packets to conversations
//	resync.go        RESYNC of a Port and the questions that follow
//	window.go        how many sentences may be unanswered, fairly; which is sent alone
//	suspect.go       in: what may be breaking the connection is parked; /api/v1/suspects
//	outbound.go      out: SE_CHAT_SENTENCE -> journal; release in Counter order
//	sending.go       out: parts, attempts, outcomes, retry
//	confirm.go       out: the core is told what the customer has, until it has read it
//	reconcile.go     out: what became of a send of unknown outcome is asked; notice.go: the network says so itself
//	delivered.go     out: how far the network reports a message to be
//	replywindow.go   out: how long the network takes more than templates, and what becomes of what is too late
//	quote.go         out: the network's own id of the message that is answered
//	retry.go         out: how long to wait, by reason
//	pause.go         a channel rests on an operator's word
//	limits.go        out: account and recipient buckets (bucket.go), the network's wishes, credential pause
//	notes.go         what the agent is told when something is not delivered
//	foreign.go       out: sentences for Ports that are not served here
//	typing.go        typing, both ways, never queued
//	translate.go     what an event is to the core; translate_parts.go a sentence to a network, translate_split.go its length
//	                 (translate_units.go: in what is counted), translate_template.go a template in it
//	content.go       what a journal row holds
//	media*.go        files: customers' by signed links, agents' on their way to a network
//	tick.go          timers: forgotten lanes, sweeping, evicting
//	metrics.go       the registry; metrics_channel.go a channel's series, metrics_ledger.go what a scrape asks
//	trace.go         /api/v1/trace: trace_find.go who is meant, trace_line.go the timeline,
//	                 trace_where.go what a message waits for now, trace_steps.go the steps in memory
//	tracing.go       what follows messages, when asked to: package tracing
//	faults.go        what is not well, by name; health.go is /healthz and /readyz
//	status.go        the whole gateway on one screen, and the calls of the private API that need all of it
//	private.go       the private listener's paths and who may use them; admin.go is /api/v1/dead,
//	                 stranded.go /api/v1/stranded, api_forget.go /api/v1/forget,
//	                 api_journal.go /api/v1/journal
//	forget.go        a customer is forgotten: in the journal, and in memory
//
// # Who may touch what
//
// The journal's writer goroutine hands rows to lanes (lanes.go) and never
// waits. A lane with work has one goroutine (inbound.go, sending.go); it ends
// when the lane is empty. A Port has one goroutine per session (resync.go).
// The link's reader goroutine (link.go) only looks conversations up and leaves
// a word there. A conversation's fields are guarded by its mutex, which is
// never held while waiting.
//
// Whoever needs a channel asks the roster, without a lock. A channel is never
// changed: another one takes its place (reload.go). All its goroutines hang on
// its life, and its conversations are its own, so that the old one's end where
// they are and the new one's begin with what the journal says, as after a
// restart.
package gateway
