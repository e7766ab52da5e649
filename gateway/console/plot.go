package console

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// A plot's place in its own units; the page scales it.
const (
	plotWidth, plotHeight = 360.0, 120.0
	plotLeft, plotRight   = 8.0, 352.0
	plotTop, plotBottom   = 18.0, 100.0
)

// plot is a small picture of the last hour or hours, and the same in words.
type plot struct {
	ID, Title   string
	Top         string // what the upper edge stands for
	From, Until string // times of the edges
	Curves      []curve
	Words       string
	Empty       bool
}

// curve is one line: the first is drawn whole, the second broken, so that colour
// is not needed to tell them apart.
type curve struct {
	Name   string
	Path   string // of SVG
	Dashed bool
}

// series is a curve's numbers; below 0 = none.
type series struct {
	name  string
	value func(Minute) float64
}

// plots draws flow and latency of the minutes that lie in span.
func plots(minutes []Minute, now time.Time, span time.Duration) []plot {
	from := now.Add(-span)
	for len(minutes) > 0 && minutes[0].At.Before(from) {
		minutes = minutes[1:]
	}
	took := func(d time.Duration) float64 {
		if d <= 0 {
			return -1
		}
		return d.Seconds()
	}
	return []plot{
		draw("flow", "Messages a minute", minutes, from, now, perMinute,
			series{"from customers", func(m Minute) float64 { return m.In }}, series{"to customers", func(m Minute) float64 { return m.Out }}),
		draw("core", "Time to the core", minutes, from, now, seconds,
			series{"half within", func(m Minute) float64 { return took(m.ToCore.P50) }}, series{"99 of 100 within", func(m Minute) float64 { return took(m.ToCore.P99) }}),
		draw("network", "Time to the network", minutes, from, now, seconds,
			series{"half within", func(m Minute) float64 { return took(m.ToNetwork.P50) }}, series{"99 of 100 within", func(m Minute) float64 { return took(m.ToNetwork.P99) }}),
	}
}

func draw(id, title string, minutes []Minute, from, until time.Time, unit func(float64) string, list ...series) plot {
	p := plot{ID: id, Title: title, From: from.UTC().Format("15:04"), Until: until.UTC().Format("15:04"), Empty: true}
	top := 0.0
	for _, m := range minutes {
		for _, s := range list {
			p.Empty = p.Empty && s.value(m) < 0
			top = max(top, s.value(m))
		}
	}
	top = round(top)
	p.Top = unit(top)
	words := []string{}
	for i, s := range list {
		p.Curves = append(p.Curves, curve{Name: s.name, Dashed: i > 0, Path: s.path(minutes, from, until, top)})
		words = append(words, s.words(minutes, unit))
	}
	p.Words = strings.Join(words, "; ")
	if p.Empty {
		p.Words = "nothing yet"
	}
	return p
}

// path draws runs of minutes that have a number, a lone one as a dot.
func (s series) path(minutes []Minute, from, until time.Time, top float64) string {
	var b strings.Builder
	drawn := false
	for _, m := range minutes {
		v := s.value(m)
		if v < 0 {
			drawn = false
			continue
		}
		x := plotLeft + (plotRight-plotLeft)*m.At.Sub(from).Seconds()/until.Sub(from).Seconds()
		y := plotBottom - (plotBottom-plotTop)*v/top
		if drawn {
			fmt.Fprintf(&b, "L%.1f %.1f", x, y)
		} else {
			fmt.Fprintf(&b, "M%.1f %.1fh.1", x, y)
		}
		drawn = true
	}
	return b.String()
}

// words says the latest number and the highest with its time.
func (s series) words(minutes []Minute, unit func(float64) string) string {
	latest, peak, at := -1.0, -1.0, time.Time{}
	for _, m := range minutes {
		if v := s.value(m); v >= 0 {
			latest = v
			if v > peak {
				peak, at = v, m.At
			}
		}
	}
	if latest < 0 {
		return s.name + ": nothing"
	}
	return fmt.Sprintf("%s: %s, at most %s at %s", s.name, unit(latest), unit(peak), at.UTC().Format("15:04"))
}

// round gives the next number of 1, 2, 5, 10, ... above v, so that edges can be
// read; 1 for nothing.
func round(v float64) float64 {
	if v <= 0 {
		return 1
	}
	base := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 2, 5, 10} {
		if v <= base*step*(1+1e-9) {
			return base * step
		}
	}
	return base * 10
}

func perMinute(v float64) string {
	if v > 0 && v < 10 && v != math.Trunc(v) {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func seconds(v float64) string {
	switch {
	case v < .001:
		return fmt.Sprintf("%.2g ms", v*1000)
	case v < 1:
		return fmt.Sprintf("%.3g ms", v*1000)
	case v < 120:
		return fmt.Sprintf("%.3g s", v)
	default:
		return fmt.Sprintf("%.3g min", v/60)
	}
}
