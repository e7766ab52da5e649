package main

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The most that simprot's codec may take, in times of generated code's.
var mostRatio = map[string]float64{"Encode": 4, "Decode": 3}

// benchmarks are the results of Go benchmarks by name, without "Benchmark" and
// the encoding.
type benchmarks map[string]*results

// results are those of one benchmark, one for each time it ran.
type results struct {
	nanoseconds, allocations []float64
}

// benchLine is one result, such as
// "BenchmarkEncode/confirm-in/msgpack-2  100  163.1 ns/op  0 B/op  0 allocs/op".
var benchLine = regexp.MustCompile(`^Benchmark(\S+?)(?:/msgpack)?(?:-\d+)?\s+\d+\s+([\d.]+) ns/op.*\s(\d+) allocs/op`)

// add reads the output of go test.
func (b benchmarks) add(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		m := benchLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		r := b[m[1]]
		if r == nil {
			r = new(results)
			b[m[1]] = r
		}
		ns, _ := strconv.ParseFloat(m[2], 64)     // the pattern
		allocs, _ := strconv.ParseFloat(m[3], 64) // lets numbers through only
		r.nanoseconds = append(r.nanoseconds, ns)
		r.allocations = append(r.allocations, allocs)
	}
}

// compare prints medians and ratios beside what is asked, and reports whether
// any of it was missed.
func compare(out io.Writer, ours, generated benchmarks) (missed bool, err error) {
	fmt.Fprintf(out, "%-28s %9s %9s %7s %7s %18s\n", "packet", "simprot", "generated", "ratio", "at most", "allocations")
	names := make([]string, 0, len(ours))
	for name := range ours {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) == 0 || len(ours) != len(generated) {
		return false, errNoBenchmark
	}
	for _, name := range names {
		beside := generated[name]
		if beside == nil || len(beside.nanoseconds) != len(ours[name].nanoseconds) {
			return false, fmt.Errorf("%w: %s", errNoBenchmark, name)
		}
		kind, _, _ := strings.Cut(name, "/")
		most, ratio, allocs := mostRatio[kind], ours[name].times(beside), median(ours[name].allocations)
		verdict := ""
		if ratio > most || kind == "Encode" && allocs > 0 {
			missed, verdict = true, "  MISSED"
		}
		fmt.Fprintf(out, "%-28s %6.0f ns %6.0f ns %7.2f %7.2f %8.0f beside %.0f%s\n", name,
			median(ours[name].nanoseconds), median(beside.nanoseconds), ratio, most,
			allocs, median(beside.allocations), verdict)
	}
	return missed, nil
}

// times is the median of the ratios of each round: its two sides ran one after
// the other, so at much the same pace of the machine.
func (r *results) times(beside *results) float64 {
	ratios := make([]float64, len(r.nanoseconds))
	for i, ns := range r.nanoseconds {
		ratios[i] = ns / beside.nanoseconds[i]
	}
	return median(ratios)
}
