// Package msgp holds the packets of every sentence once more, with MessagePack
// code by a generator: what a codec can cost that scans nothing beforehand,
// takes one form of each value, and writes no frame. Its test reads the
// vectors of simprot and proves that both write the same; its benchmarks
// are named like simprot's, and `bench -only codec` sets them side by side.
package msgp

//go:generate go tool msgp -file packets.go -o packets_gen.go -tests=false -io=false
