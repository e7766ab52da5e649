package sqlite

// id is one known id: where its row is.
type id struct {
	k   int64
	seq int64
}

// table maps hashes to rows. Two rows of one hash are possible and rare.
type table struct {
	one  map[int64]int64
	more map[int64][]int64
}

func newTable() table { return table{one: make(map[int64]int64)} }

func (t *table) add(hash, seq int64) {
	if _, taken := t.one[hash]; !taken {
		t.one[hash] = seq
		return
	}
	if t.more == nil {
		t.more = make(map[int64][]int64)
	}
	t.more[hash] = append(t.more[hash], seq)
}

// remove takes back an add; only the latest of a hash may be taken back.
func (t *table) remove(hash int64) {
	if m := t.more[hash]; len(m) > 0 {
		t.more[hash] = m[:len(m)-1]
		return
	}
	delete(t.one, hash)
}

func (t *table) size() int { return len(t.one) }

// find calls match with the rows of a hash until one matches.
func (t *table) find(hash int64, match func(int64) (bool, error)) (bool, error) {
	seq, ok := t.one[hash]
	if !ok {
		return false, nil
	}
	if ok, err := match(seq); ok || err != nil {
		return ok, err
	}
	for _, seq := range t.more[hash] {
		if ok, err := match(seq); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}
