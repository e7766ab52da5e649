// Package corecheck plays a gateway against a core and reports which rules of
// SPEC.md the core keeps. It needs nothing of the core but its address: it
// speaks frames over a connection of its own and knows no client library, so
// that it sees every byte and can send what a gateway never would.
//
// It opens chats, writes into them and ends them again, on one Port that must
// be nobody else's: agents see them, and RESYNC takes the Port away from a
// gateway that works it. Rules that need an agent are checked when there is
// one (Agent).
//
// # Rooms
//
//	config.go    what is checked, and how: Config, Run
//	rules.go     every rule: what is done, what is expected
//	report.go    the verdicts
//	inbox.go     what the core sent, on all connections, and waiting for it
//	link.go      one connection
//	talk.go      what a gateway says: questions, sentences, conversations
//	agent.go     the agent's side; HTTPAgent works the reference core's
//	login.go, bytes.go, chats.go, order.go, doubt.go, lists.go, frames.go,
//	agents.go, register.go, messages.go, sending.go   the checks
//
// The package imports package simprot only.
package corecheck
