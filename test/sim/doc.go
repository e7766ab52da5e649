// Package sim runs the gateway against a model of everything around it, and
// lets everything go wrong that can: each run is made from one seed, on virtual
// time, and ends with the promise being checked.
package sim
