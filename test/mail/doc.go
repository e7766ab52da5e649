// Package mail runs the gateway's message side end to end: real programs, a mail
// server, a core. The same suites run on two kinds of mail servers: under `make test`
// on those of test/netsim/mail, in this process; under `make mail` on Dovecot and
// Postfix, which nobody here wrote (build tag mail, needs root, as both change their
// user).
package mail
