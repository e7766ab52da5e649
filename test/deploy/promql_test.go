package deploy

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// set is a set of label names.
type set map[string]bool

// judge checks a query against a scrape and gives the labels of its result.
// Every selector must select something, and every label that is named must be
// one of what it is named for.
func judge(query string, have series) (result set, faults []error) {
	expr, err := parser.ParseExpr(query)
	if err != nil {
		return nil, []error{err}
	}
	j := &judgement{have: have}
	result = j.walk(expr)
	return result, j.faults
}

type judgement struct {
	have   series
	faults []error
}

func (j *judgement) fault(format string, args ...any) {
	j.faults = append(j.faults, fmt.Errorf(format, args...))
}

// walk gives the labels that the result of e may have.
func (j *judgement) walk(e parser.Expr) set {
	switch e := e.(type) {
	case *parser.VectorSelector:
		return j.selector(e)
	case *parser.MatrixSelector:
		return j.walk(e.VectorSelector)
	case *parser.ParenExpr:
		return j.walk(e.Expr)
	case *parser.AggregateExpr:
		return j.aggregate(e)
	case *parser.BinaryExpr:
		return j.binary(e)
	case *parser.Call:
		return j.call(e)
	case *parser.NumberLiteral:
		return set{}
	default:
		j.fault("%s: this kind of expression (%T) is not understood by the test", e, e)
		return set{}
	}
}

func (j *judgement) selector(e *parser.VectorSelector) set {
	selected, known := j.have.match(e.Name, e.LabelMatchers)
	switch {
	case !known:
		j.fault("%s: there is no such metric", e.Name)
	case len(selected) == 0:
		j.fault("%s: no series is like that", e)
	}
	result := set{}
	for _, name := range scraped {
		result[name] = true
	}
	for _, one := range selected {
		for name := range one {
			result[name] = true
		}
	}
	return result
}

func (j *judgement) aggregate(e *parser.AggregateExpr) set {
	inner := j.walk(e.Expr)
	j.known(e, e.Grouping, inner)
	result := set{}
	for name := range inner {
		result[name] = slices.Contains(e.Grouping, name) != e.Without
	}
	return result.kept()
}

func (j *judgement) binary(e *parser.BinaryExpr) set {
	left, right := j.walk(e.LHS), j.walk(e.RHS)
	if m := e.VectorMatching; m != nil {
		j.known(e, m.MatchingLabels, left)
		j.known(e, m.MatchingLabels, right)
		if !m.On && len(m.MatchingLabels) == 0 && e.Op != parser.LOR && !maps.Equal(left, right) {
			j.fault("%s: the sides have labels %v and %v and never meet", e, left, right)
		}
	}
	if e.Op == parser.LOR || len(left) == 0 {
		maps.Copy(left, right)
	}
	return left
}

func (j *judgement) call(e *parser.Call) set {
	result := set{}
	for _, argument := range e.Args {
		maps.Copy(result, j.walk(argument))
	}
	switch e.Func.Name {
	case "histogram_quantile":
		j.known(e, []string{"le"}, result)
		delete(result, "le")
	case "absent":
		return set{"job": true} // of its selector's equalities
	}
	return result
}

func (j *judgement) known(e parser.Expr, names []string, have set) {
	for _, name := range names {
		if !have[name] {
			j.fault("%s: there is no label %s, but %v", e, name, slices.Sorted(maps.Keys(have)))
		}
	}
}

func (s set) kept() set {
	maps.DeleteFunc(s, func(_ string, kept bool) bool { return !kept })
	return s
}

// usedLabel finds labels in annotations and legends.
var usedLabel = regexp.MustCompile(`\$labels\.([a-z_]+)|{{([a-z_]+)}}`)

func unknownLabels(text string, have set) (unknown []string) {
	for _, m := range usedLabel.FindAllStringSubmatch(text, -1) {
		if name := m[1] + m[2]; !have[name] {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

// TestJudge proves that the checks below can fail.
func TestJudge(t *testing.T) {
	have := series{
		"x_total":  {{"channel": "a", "reason": "bug"}, {"channel": "a", "reason": "rate"}},
		"y":        {{"channel": "a"}},
		"z_bucket": {{"le": "+Inf"}},
	}
	for query, good := range map[string]bool{
		`rate(x_total{job="j"}[5m])`:                                 true,
		`x_totals`:                                                   false,
		`x_total{reason="bugs"}`:                                     false,
		`x_total{reasons="bug"}`:                                     false,
		`x_total{reason=~"bug|other"}`:                               true,
		`sum by (channel) (x_total)`:                                 true,
		`sum by (chanel) (x_total)`:                                  false,
		`sum by (channel) (sum by (reason) (x_total))`:               false,
		`x_total / y`:                                                false,
		`x_total / on (channel) group_left y`:                        true,
		`sum without (reason) (x_total) / y`:                         true,
		`y unless on (chanel) y`:                                     false,
		`histogram_quantile(0.9, rate(z_bucket[5m]))`:                true,
		`histogram_quantile(0.9, sum by (job) (rate(z_bucket[5m])))`: false,
		`rate(x_total[5m)`:                                           false,
	} {
		if _, faults := judge(query, have); (len(faults) == 0) != good {
			t.Errorf("%s: %v", query, faults)
		}
	}
	result, _ := judge(`sum by (channel) (x_total) > 1`, have)
	if got := unknownLabels("{{ $labels.channel }} {{reason}}", result); !slices.Equal(got, []string{"reason"}) {
		t.Errorf("unknown labels: %v", got)
	}
	if _, known := have.match("x_total", []*labels.Matcher{}); !known {
		t.Error("a metric is not known")
	}
}
