// Package browser has conversations in a real Chromium with what `make run`
// starts: phones write as customers of each network, the console answers as the
// agent, and both must see what the other said; while the core is away, and
// while a network asks for patience. The tests have the build tag browser,
// because they need Chromium and bin/playground; `make browser` provides both
// and fails when they did not run.
package browser
