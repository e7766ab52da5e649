package main

import "testing"

func TestGarbagePercent(t *testing.T) {
	for _, tt := range []struct {
		live uint64
		want int
	}{
		{0, mostGarbage},
		{4 << 20, mostGarbage},
		{garbageRoom, 100},
		{garbageRoom * 3 / 2, 66},
		{1 << 40, leastGarbage},
	} {
		if got := garbagePercent(tt.live); got != tt.want {
			t.Errorf("garbagePercent(%d) = %d, want %d", tt.live, got, tt.want)
		}
	}
}
