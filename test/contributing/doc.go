// Package contributing follows CONTRIBUTING.md in a copy of the source tree: what
// a newcomer is told to do must work as it stands, and what is forgotten must be
// found.
package contributing
