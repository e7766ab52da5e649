// Package conformance runs the conformance kit on every connector that is
// compiled in, each against the simulator of its network. It has no code but its
// tests: neither the kit nor a connector knows the simulators.
//
// One file per network describes it to the kit; testdata/NETWORK holds what
// customers and agents do there and what must come of it. "go test -update"
// writes the golden files anew: read the difference before it is kept.
package conformance
