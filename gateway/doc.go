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
//	device.go        message gateways: channels of one direction without a Port
//	device_*.go      the core's register of them: register (asked again and again), list (what it says -> channels,
//	                 and what is wrong with it), see (status, faults, metrics)
//	message.go       messages: what both directions share; message_name.go what they are called outside,
//	                 message_metrics.go their packets counted
//	message_in.go    in: one message at a time to the core, until its answer (message_answer.go);
//	                 message_event.go what an event is to the core, message_body.go its bodies and links
//	message_out.go   out: SE_MESSAGE_SENDING -> journal, in its time; message_route.go to whom it goes,
//	                 message_send.go parts and attempts, message_sent.go what the core is told
//	runner.go        what polls: its start, its failures, its states
//	recover.go       looks for messages whose webhook was lost
//	listen.go        sockets and HTTP servers, and their end; listen_limit.go how many callers, and of one
//	reload.go        a configuration that was read again: channels change one by one
//
//	webhook.go       in: limit, verify, parse, journal, reply
//	webhook_*.go     in: mount (paths), read (the request, bounded), reply (and the border for panics),
//	                 probe (calls of the gateway to itself)
//	inbox.go         in: events -> journal entries (every way in ends here)
//	lanes.go         journal rows -> the lane of their conversation, bounded
//	conversation.go  what is known of one conversation, and its two lanes
//	inbound.go       in: one event at a time to the core, until its echo
//	opening.go       in: REQUEST, START, and what happens while closed
//	answers.go       what STATUS and START answers say about both directions
//	link.go          the SimProt connection: sessions, packets to conversations
//	profile.go       in: who a customer is, asked beside the message
//	resync.go        RESYNC of a Port and the questions that follow
//	window.go        how many sentences may be unanswered, fairly; which is sent alone
//	suspect.go       in: what may be breaking the connection is parked; /api/v1/suspects
//	outbound.go      out: SE_CHAT_SENTENCE -> journal; release in Counter order
//	sending.go       out: parts, attempts, outcomes, retry
//	confirm.go       out: the core is told what the customer has, until it has read it
//	reconcile.go     out: what became of a send of unknown outcome is asked; notice.go: the network says so itself
//	delivered.go     out: how far the network reports a message to be; unnamed.go by its own id, or up to a time
//	replywindow.go   out: how long the network takes more than templates, and what becomes of what is too late;
//	                 replywindow_late.go what a person may answer after it
//	quote.go         out: the network's own id of the message that is answered
//	retry.go         out: how long to wait, by reason
//	pause.go         a channel rests on an operator's word
//	limits.go        out: account and recipient buckets (bucket.go), the network's wishes, credential pause;
//	                 limits_app.go what several channels share
//	notes.go         what the agent is told when something is not delivered
//	foreign.go       out: sentences for Ports that are not served here
//	typing.go        typing, both ways, never queued
//	translate.go     what an event is to the core; translate_parts.go a sentence to a network, translate_split.go its length
//	                 (translate_units.go: in what is counted), translate_template.go a template in it
//	manifest.go      what the core is told of what a channel can show
//	content.go       what a journal row holds
//	media*.go        files: customers' by signed links, agents' on their way to a network;
//	                 files_kept.go those of messages, which package files keeps
//	doctor.go        a channel is examined, and called as by its network (doctor_trip.go, doctor_probe.go);
//	                 doctor_api.go is /api/v1/doctor
//	examine.go       the gateway is examined, beside its channels: examine_core.go, examine_journal.go,
//	                 examine_files.go (both on examine_disk.go), examine_public.go, and examine_running.go
//	                 what only a running one knows
//	watch.go         every channel is examined again and again; watch_mend.go what is put right by itself,
//	                 watch_tell.go what is told of it; traffic.go how busy a channel usually is
//	tick.go          timers: forgotten lanes, sweeping, evicting
//	metrics.go       the registry; metrics_channel.go a channel's series, metrics_ledger.go and
//	                 metrics_watch.go what a scrape asks
//	trace.go         /api/v1/trace: trace_find.go who is meant, trace_line.go the timeline,
//	                 trace_where.go what a message waits for now, trace_steps.go the steps in memory
//	tracing.go       what follows messages, when asked to: package tracing
//	faults.go        what is not well, by name; health.go is /healthz and /readyz
//	status.go        the whole gateway on one screen, and the calls of the private API that need all of it
//	private.go       the private listener's paths and who may use them; admin.go is /api/v1/dead,
//	                 stranded.go /api/v1/stranded, api_forget.go /api/v1/forget,
//	                 api_journal.go /api/v1/journal
//	pages.go         what the console (package console) shows and does; flow.go its last hours, minute by minute
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
