// Package egress is how the gateway connects to addresses that come from
// outside: webhook addresses, customers' files, files that agents send. What
// connectors and the engine have in common lies here: the address guard, the
// transport with the configured proxy and authorities, rules for redirects, a
// bounded reader, and fixed words for what went wrong.
//
// Addresses are judged when they are dialled, after the name was resolved, so
// that a name cannot mean another address by then. Redirects are followed only
// as far as a request allows, never out of TLS, and each is judged anew; what a
// request carries as credentials stays with the host it was meant for. The
// environment is not read.
package egress
