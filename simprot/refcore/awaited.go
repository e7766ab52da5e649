package refcore

import (
	"strings"
	"time"

	"servicelink/simprot"
)

// awaited are the outbound sentences of a Port for which the gateway owes a
// CONFIRM or a tech note. Guarded by the Port's lock.
type awaited struct {
	queue []awaitedSentence // by due
	open  map[awaitedKey]int
}

type awaitedKey struct{ trackingID, id string }

type awaitedSentence struct {
	awaitedKey
	due time.Time
}

// notePrefix begins the ID of the tech note about a sentence that failed for good.
const notePrefix = "note:"

// shortPrefix begins an ID that was shortened to a hash.
const shortPrefix = "h:"

func (a *awaited) add(trackingID, id string, due time.Time) {
	if a.open == nil {
		a.open = map[awaitedKey]int{}
	}
	k := awaitedKey{trackingID, id}
	a.queue = append(a.queue, awaitedSentence{k, due})
	a.open[k]++
}

// settle takes one sentence off; unknown ones are none of its business.
func (a *awaited) settle(trackingID, id string) {
	k := awaitedKey{trackingID, id}
	switch n := a.open[k]; {
	case n > 1:
		a.open[k] = n - 1
	case n == 1:
		delete(a.open, k)
	}
	// CONFIRMs come about in order: without this the queue of a busy Port would
	// hold everything of the last ConfirmLimit.
	for len(a.queue) > 0 && a.open[a.queue[0].awaitedKey] == 0 {
		a.queue = a.queue[1:]
	}
}

// noted settles the sentence a tech note of that ID speaks of.
func (a *awaited) noted(trackingID, noteID string) {
	if id, ok := strings.CutPrefix(noteID, notePrefix); ok {
		a.settle(trackingID, id)
		return
	}
	if !strings.HasPrefix(noteID, shortPrefix) {
		return // a note about something else
	}
	for k := range a.open { // only the hash is left: try what is owed
		if k.trackingID == trackingID && simprot.ShortenID(notePrefix+k.id, simprot.MaxID) == noteID {
			a.settle(trackingID, k.id)
			return
		}
	}
}

// overdue takes off and returns the sentences due before now.
func (a *awaited) overdue(now time.Time) []awaitedKey {
	var late []awaitedKey
	for len(a.queue) > 0 && !a.queue[0].due.After(now) {
		k := a.queue[0].awaitedKey
		if a.open[k] > 0 {
			late = append(late, k)
		}
		a.queue = a.queue[1:]
		if n := a.open[k]; n > 1 {
			a.open[k] = n - 1
		} else {
			delete(a.open, k)
		}
	}
	return late
}
