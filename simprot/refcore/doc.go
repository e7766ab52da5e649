// Package refcore is the reference core: a contact centre's core chat server
// reduced to external chat, to develop and test gateways against.
//
// It keeps every rule SPEC.md asks of cores, it is strict (each breach of the
// protocol by a gateway is counted under a name of a closed list, see
// Offence), and it can be made to misbehave on purpose (see Fault and Rule). An agent
// works it in the browser (Console) or a program does, in Go or over HTTP;
// README.md in this folder documents the HTTP interface.
//
// # Rooms
//
//	options.go   what can be set
//	core.go      Core: its life, its connections, restart
//	inbound.go   what is done with each packet of a gateway
//	check.go     the rules a packet's fields must keep
//	answer.go    answers and news, cut and split to the reader's frame limit
//	agent.go     the agent's side: say, type, close, signal
//	report.go    what tests and the console look at; view.go is its JSON
//	awaited.go   outbound sentences a gateway owes a CONFIRM for
//	store.go     Store: chats and sentences; memory.go keeps them in memory,
//	             package sqlite in a file
//	conn.go      one gateway connection
//	offences.go  the closed list of offences and their counts
//	faults.go    scripted misbehaviour
//	rules.go     the rules a Core can be told to break; breaks.go and tamper.go
//	             break those that no fault can
//	events.go    what happened, for the console
//	console.go, api.go, stream.go, web/   the agent's console and the HTTP interface
//
// # Locks
//
// Everything about one (Peer, Port) happens under that Port's lock, the
// queueing of answers and news included, so a gateway reads them in the order
// in which they came about. Nothing waits under it: the server's connections
// queue at once and reset a gateway that does not read. A
// goroutine holding a Port's lock may take the locks of the store, the
// connection table or the subscribers, never another Port's.
package refcore
