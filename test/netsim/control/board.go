package control

// Board is what a network embeds: its faults, its record and its conversations.
type Board struct {
	*Script
	Recorder
	Book
}

// NewBoard makes an empty one; seed decides what is left to chance.
func NewBoard(seed uint64) *Board { return &Board{Script: NewScript(seed)} }
