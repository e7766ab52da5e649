// Package guide runs the README's "Connect a real bot" word for word, in a
// fresh copy of the source tree, as a newcomer would. Only what must differ
// does: the token, the address of Telegram, which is a simulated one, and the
// local addresses, which somebody else may be using.
package guide
