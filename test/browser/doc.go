// Package browser has a conversation in a real Chromium with what `make run`
// starts: one page writes as a customer, another answers as the agent, and
// both must see what the other said. The test has the build tag browser,
// because it needs Chromium and bin/playground; `make browser` provides both
// and fails when it did not run.
package browser
