//go:build !race

package simprot

const raceEnabled = false
