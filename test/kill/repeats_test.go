package kill

import (
	"cmp"
	"slices"
	"testing"
)

// split parts a conversation's arrivals into the ids in order of first
// appearance, the repeats of sends that a kill found in flight, and the
// repeats that nothing excuses. A send was in flight when it is the last one
// of an earlier process: had anything later of the conversation arrived, that
// process would have been done with it. What a process sent is put before what
// the next one sent: the network may come to a request that a kill cut off
// after it has served later ones.
func split(arrivals []arrival) (first []string, inFlight int, wrong []arrival) {
	arrivals = slices.Clone(arrivals)
	slices.SortStableFunc(arrivals, func(a, b arrival) int { return cmp.Compare(a.kills, b.kills) })
	seen := map[string]bool{}
	for i, a := range arrivals {
		switch {
		case !seen[a.id]:
			seen[a.id] = true
			first = append(first, a.id)
		case arrivals[i-1].id == a.id && arrivals[i-1].kills < a.kills:
			inFlight++
		default:
			wrong = append(wrong, a)
		}
	}
	return first, inFlight, wrong
}

func TestSplit(t *testing.T) {
	for name, tt := range map[string]struct {
		arrivals []arrival
		inFlight int
		wrong    []arrival
	}{
		"no repeat":                      {arrivals: []arrival{{"a", 0}, {"b", 0}, {"c", 1}}},
		"the last before a kill":         {[]arrival{{"a", 0}, {"b", 0}, {"b", 1}, {"c", 1}}, 1, nil},
		"over a kill that sent nothing":  {[]arrival{{"a", 0}, {"a", 2}}, 1, nil},
		"by each of two processes":       {[]arrival{{"a", 0}, {"a", 1}, {"a", 2}}, 2, nil},
		"by one process":                 {[]arrival{{"a", 0}, {"a", 0}}, 0, []arrival{{"a", 0}}},
		"twice by the next process":      {[]arrival{{"a", 0}, {"a", 1}, {"a", 1}}, 1, []arrival{{"a", 1}}},
		"not the last before the kill":   {[]arrival{{"a", 0}, {"b", 0}, {"a", 1}}, 0, []arrival{{"a", 1}}},
		"two after one kill":             {[]arrival{{"a", 0}, {"b", 0}, {"b", 1}, {"a", 1}}, 1, []arrival{{"a", 1}}},
		"served after its repeat":        {[]arrival{{"a", 0}, {"b", 1}, {"c", 1}, {"b", 0}}, 1, nil},
		"not in flight, served late":     {[]arrival{{"a", 1}, {"a", 0}, {"b", 0}}, 0, []arrival{{"a", 1}}},
		"after the next one has arrived": {[]arrival{{"a", 0}, {"b", 1}, {"a", 1}}, 0, []arrival{{"a", 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			first, inFlight, wrong := split(tt.arrivals)
			if inFlight != tt.inFlight || !slices.Equal(wrong, tt.wrong) {
				t.Errorf("%d in flight, wrong %v; want %d, %v", inFlight, wrong, tt.inFlight, tt.wrong)
			}
			if !slices.IsSorted(first) || len(first)+inFlight+len(wrong) != len(tt.arrivals) {
				t.Errorf("first %v", first)
			}
		})
	}
}
