// Package console is the operator's pages on the private listener: how the
// gateway and each channel are, in words first; dead letters and what else waits
// for a decision; where a message is; what the doctor found.
//
// The pages are made here, by the server, and work without JavaScript, which
// only keeps them fresh. They need nothing from other hosts. What they show comes
// through Source; what it does not give, no page can show.
//
//	console.go    paths, headers, who may see what: read it first
//	source.go     what the pages are made from, and the one way to change something
//	session.go    who is logged in; login.go logging in and out
//	pages.go      the pages; actions.go what their buttons do
//	render.go     the templates in web/, and what they can say
//	plot.go       the plots
package console
