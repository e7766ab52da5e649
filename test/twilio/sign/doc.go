// Package sign holds the tests' signatures against Twilio's own library, npm
// twilio for Node.js: sign.mjs signs what requests.mjs lists, and what it writes
// is kept in connectors/internal/twilio/testdata/signed, where all tests of what
// Twilio posts take their signatures from. So no code of this project ever says
// what a good signature is. A request more: a line in requests.mjs, then
//
//	make twilio ARGS=-write
//
// TestInbound gives each of them to the connector that it is for: what becomes of it
// stands in testdata/events.golden.json, and of a forged one nothing may.
//
// TestSignatures signs all again and compares; it has the build tag twilio,
// because it needs Node.js and the library installed by npm in the folder that
// TWILIO names. `make twilio` provides both and fails when the test did not run.
package sign
