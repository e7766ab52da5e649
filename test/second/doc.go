// Package second reads and makes SimProt's bytes with a second implementation:
// simprot/examples/core/simprot.py, in Python on the msgpack library, written
// from SPEC.md and not from the Go code. What both agree on is what SPEC says;
// a fault that the Go encoder and decoder share would show here. It also lets a
// gateway and the terminal application work against the example core.
//
// The tests that need Python have the build tag second, and want its
// interpreter in the variable PYTHON; `make second` provides both and fails
// when a promised test did not run.
//
// testdata/msgpack-test-suite.json is msgpack-test-suite 1.0.0 as published
// (MIT License, beside it).
package second
