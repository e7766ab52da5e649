package main

import (
	"errors"
	"strings"
	"testing"
)

const (
	oursOutput = `goos: linux
BenchmarkEncode/confirm-in/msgpack-2         	 1000000	       200.0 ns/op	       0 B/op	       0 allocs/op
BenchmarkEncode/confirm-in/msgpack-2         	 1000000	       240.0 ns/op	       0 B/op	       0 allocs/op
BenchmarkEncode/confirm-in/msgpack-2         	 1000000	      9000 ns/op	       0 B/op	       0 allocs/op
BenchmarkDecode/confirm-in/msgpack-2         	  300000	       800 ns/op	     224 B/op	       6 allocs/op
PASS
`
	generatedOutput = `BenchmarkEncode/confirm-in-2  	 3000000	        80.00 ns/op	       0 B/op	       0 allocs/op
BenchmarkEncode/confirm-in-2  	 3000000	        80.00 ns/op	       0 B/op	       0 allocs/op
BenchmarkEncode/confirm-in-2  	 1000000	      3000 ns/op	       0 B/op	       0 allocs/op
BenchmarkDecode/confirm-in-2  	 3000000	       400.0 ns/op	     224 B/op	       6 allocs/op
`
)

func compared(t *testing.T, ours, generated string) (string, bool, error) {
	t.Helper()
	a, b := benchmarks{}, benchmarks{}
	a.add(strings.NewReader(ours))
	b.add(strings.NewReader(generated))
	var out strings.Builder
	missed, err := compare(&out, a, b)
	return out.String(), missed, err
}

func TestCompare(t *testing.T) {
	out, missed, err := compared(t, oursOutput, generatedOutput)
	if err != nil || missed {
		t.Errorf("missed %v, %v", missed, err)
	}
	for _, row := range []string{
		"Encode/confirm-in               240 ns     80 ns    3.00    4.00        0 beside 0\n",
		"Decode/confirm-in               800 ns    400 ns    2.00    3.00        6 beside 6\n",
	} {
		if !strings.Contains(out, row) {
			t.Errorf("no row %q in\n%s", row, out)
		}
	}
	for name, change := range map[string][2]string{
		"slow to encode": {"\t       2", "\t       4"},
		"slow to decode": {"800 ns", "1201 ns"},
		"allocations":    {"       0 allocs", "       1 allocs"},
	} {
		if out, missed, err := compared(t, strings.ReplaceAll(oursOutput, change[0], change[1]), generatedOutput); err != nil || !missed || !strings.Contains(out, "MISSED") {
			t.Errorf("%s: missed %v, %v\n%s", name, missed, err, out)
		}
	}
	for name, generated := range map[string]string{
		"nothing": "", "one round less": strings.Replace(generatedOutput, "BenchmarkEncode", "", 1), "another": strings.ReplaceAll(generatedOutput, "confirm-in", "other"),
	} {
		if _, _, err := compared(t, oursOutput, generated); !errors.Is(err, errNoBenchmark) {
			t.Errorf("%s beside it: %v", name, err)
		}
	}
}
