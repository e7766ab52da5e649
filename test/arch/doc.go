// Package arch holds the rules of the source tree as ordinary tests: who may
// import whom, what every package says about itself, what a connector's
// folder looks like, what must not stand in the tree. A rule that only a
// reviewer knows is one that drifts.
package arch
