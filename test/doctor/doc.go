// Package doctor holds "servicelink doctor" to its word: the real program is run
// against simulated networks and the reference core, one thing is set up wrong, and
// that is what it names, in one line with the cure, and nothing else. What is set up
// right is not complained about.
package doctor
