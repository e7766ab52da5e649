// Package guide runs the README's "Connect ..." word for word, in a fresh copy
// of the source tree, as a newcomer would. Only what must differ does: tokens, the
// addresses of the networks, which are simulated ones, the gateway's own name on
// the internet, and the local addresses, which somebody else may be using.
package guide
