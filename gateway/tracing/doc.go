// Package tracing follows messages through the gateway and exports what it
// sees as OpenTelemetry traces, over OTLP/HTTP.
//
// A customer's message:
//
//	webhook              a call's events, from parsed to taken (a poll has none)
//	  event              one message, from taken to its end
//	    journal          until it is committed
//	    link             each writing to the core, until its echo
//
// An agent's:
//
//	(the core's span)    when the core sent its traceparent along
//	  sentence           from its arrival to its end
//	    journal          until it is committed
//	    send             each attempt of each part at the network
//	    confirm          what the core is told
//
// The spans link and confirm go to the core as traceparent, in the extras of
// their packets, so that the core's own spans belong to the same trace.
//
// Nothing of this is in the engine's way: the tracer stands around the journal,
// which every step of a message passes, and at the link's two ends. A nil
// Tracer, which is what there is without an endpoint, stands nowhere.
//
// What is followed is kept in memory: a message that outlives the process, or
// comes when maxMessages are being followed, has no trace, or one that breaks
// off. Attributes hold channels, ids, hashes of conversations, reasons and
// counts, as logs do, never texts, addresses or secrets.
//
// # Rooms
//
//	tracing.go   Tracer: start, stop, exporter; client.go posts for it
//	message.go   what is known of a message that is followed
//	journal.go   the decorator of the journal
//	link.go      packets of the core, and traceparents for it
package tracing
