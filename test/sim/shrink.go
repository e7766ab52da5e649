package sim

import (
	"slices"
	"strings"
	"time"
)

// shrinkTime is how long a failed run is tried without parts of it.
const shrinkTime = time.Minute

// shrink takes out of a failed plan what it fails without as well: halves first,
// then one after the other, faults before what people say. A run counts when it
// breaks the same property.
func shrink(p *plan, r *result, play func(*plan) *result) (*plan, *result) {
	began := time.Now()
	wanted := r.property()
	for size := len(p.Ops) / 2; size > 0; size /= 2 {
		for _, faults := range []bool{true, false} {
			for at := 0; at < len(p.Ops) && time.Since(began) < shrinkTime; {
				less := p.without(at, size, faults)
				if len(less.Ops) == len(p.Ops) {
					break
				}
				if got := play(less); got.property() == wanted {
					p, r = less, got
				} else {
					at += size
				}
			}
		}
	}
	return p, r
}

// without leaves out up to size ops from the given one on.
func (p *plan) without(at, size int, faults bool) *plan {
	less := *p
	less.Ops = slices.Clone(p.Ops[:at])
	for _, o := range p.Ops[at:] {
		if size > 0 && o.isFault() == faults {
			size--
			continue
		}
		less.Ops = append(less.Ops, o)
	}
	return &less
}

// property is the name of the first broken one.
func (r *result) property() string {
	if len(r.Verdicts) == 0 {
		return ""
	}
	name, _, _ := strings.Cut(r.Verdicts[0], ":")
	return name
}
