//go:build race

package simprot

// raceEnabled: the race detector makes sync.Pool drop values at random, so
// allocations cannot be counted.
const raceEnabled = true
