// Package kill holds the promise to account: it kills the real gateway process
// with SIGKILL at random moments, drops its connection to the core as well, and
// counts at both ends. A poller is killed in front of every step of polling,
// journaling and confirming.
package kill
