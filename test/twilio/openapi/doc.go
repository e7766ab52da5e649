// Package openapi holds the Twilio connectors and the simulated Twilio against
// Twilio's own description of its API: OpenAPI, as npm @twilio/cli-core carries
// it, cut and mended by cut.mjs. The connectors' requests pass through npm
// @stoplight/prism-cli, a proxy that compares requests and answers with such a
// description, to the simulator; what either has against the description fails
// the test. The tests have the build tag openapi, because they need Node.js and
// the packages installed by npm in the folder that OPENAPI names; `make openapi`
// provides both and fails when they did not run.
//
// Errors are in no description, so they are not compared. Customers' files come
// from addresses that are not described either.
package openapi
