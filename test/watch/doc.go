// Package watch holds the whole gateway against a simulated network that changes
// behind its back: what is undone there is found, put back and told of in time.
package watch
