// Package grammy lets a bot on a library that other people wrote, grammY for
// Node.js, talk to the simulated Telegram of cmd/netsim. The connectors are
// tested against that simulator; this tests the simulator. The test has the
// build tag grammy, because it needs Node.js and the library installed by npm in
// the folder that GRAMMY names; `make grammy` provides both and fails when the
// test did not run.
package grammy
