package simprot

import (
	"strings"
	"unicode"
)

// LogEventID is what logs, traces and lists show of an event's ID. Many networks
// number messages within a conversation and name that by the customer's own
// number or name, so the ID holds an address: LogID of the conversation takes
// its place.
func LogEventID(trackingID, id string) string {
	address, _, _ := strings.Cut(trackingID, "|")
	network := networkOf(address, id)
	apart := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	for piece := range strings.FieldsFuncSeq(address, apart) {
		if len(piece) >= leastAddress && piece != network {
			id = strings.ReplaceAll(id, piece, LogID(trackingID))
		}
	}
	return id
}

// networkOf is the network's name where the address and the ID both begin with
// it: a word of letters with a colon after it. A customer's name that stands
// alone at the beginning of one of them is none.
func networkOf(address, id string) string {
	name, _, found := strings.Cut(address, ":")
	other := func(r rune) bool { return !unicode.IsLetter(r) }
	if !found || strings.ContainsFunc(name, other) || !strings.HasPrefix(id, name+":") {
		return ""
	}
	return name
}

// leastAddress is the shortest text that can be an address: a shorter one names
// nobody, and would be found in the middle of others.
const leastAddress = 5
