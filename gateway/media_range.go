package gateway

import (
	"net/http"
	"regexp"
	"strconv"
)

var (
	oneRange    = regexp.MustCompile(`^bytes=(\d{1,15}-\d{0,15}|-\d{1,15})$`)
	givenRange  = regexp.MustCompile(`^bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)$`)
	rangeDenied = strconv.Itoa(http.StatusRequestedRangeNotSatisfiable)
)

// askedRange is the Range header as far as it is passed on: one range of bytes.
// Any other gets the whole file, which is always a right answer. So does one
// with If-Range: no version of a file is told from another here.
func askedRange(h http.Header) string {
	value := h.Get("Range")
	if h.Get("If-Range") != "" || !oneRange.MatchString(value) {
		return ""
	}
	return value
}

// piece is what a Content-Range says.
type piece struct {
	from, length int64
	total        int64 // -1 = not told
}

func parsePiece(contentRange string) (p piece, ok bool) {
	m := givenRange.FindStringSubmatch(contentRange)
	if m == nil {
		return piece{}, false
	}
	p.from, _ = strconv.ParseInt(m[1], 10, 64) // at most 15 digits
	to, _ := strconv.ParseInt(m[2], 10, 64)
	p.length, p.total = to-p.from+1, -1
	if m[3] != "*" {
		p.total, _ = strconv.ParseInt(m[3], 10, 64)
	}
	return p, p.length > 0 && (p.total < 0 || to < p.total)
}
