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
	apart := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	for piece := range strings.FieldsFuncSeq(address, apart) {
		if len(piece) >= leastAddress {
			id = strings.ReplaceAll(id, piece, LogID(trackingID))
		}
	}
	return id
}

// leastAddress is the shortest text that can be an address: a shorter one names
// nobody, and would be found in the middle of others.
const leastAddress = 5
