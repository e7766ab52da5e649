// The generated code that test/bench compares simprot's with. A module of its
// own, so that the product does not depend on the generator.
module servicelink/test/bench/msgp

go 1.26.0

tool github.com/tinylib/msgp

require (
	github.com/google/go-cmp v0.7.0
	github.com/tinylib/msgp v1.6.5
)

require (
	github.com/philhofer/fwd v1.2.0 // indirect
	golang.org/x/mod v0.18.0 // indirect
	golang.org/x/tools v0.22.0 // indirect
)
