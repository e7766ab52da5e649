package gateway

import (
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"servicelink/connectors"
)

// splitText cuts text into pieces of at most limit units, at a line or space
// where there is one in the second half, never inside a grapheme unless the
// grapheme alone is over the limit. White space at a cut is left out.
func splitText(text string, limit int, unit connectors.TextUnit) []string {
	if limit <= 0 || units(text, unit) <= limit {
		return []string{text}
	}
	var parts []string
	for rest := text; rest != ""; {
		at := cutAt(rest, limit, unit)
		if at.end == len(rest) {
			at.solid = at.end // not a cut: the text's own end stays as it is
		}
		if at.solid > 0 {
			parts = append(parts, rest[:at.solid])
		}
		rest = trimBlank(rest[at.end:])
	}
	if len(parts) == 0 { // nothing but white space: still one message
		return []string{text[:cutAt(text, limit, unit).end]}
	}
	return parts
}

// cut is a place to cut a text, in bytes: what is before solid makes a part,
// the white space from there to end is left out.
type cut struct{ solid, end int }

// cutAt finds the end of the next piece, after at least one character.
func cutAt(text string, limit int, unit connectors.TextUnit) cut {
	var at, line, space cut
	used := measure{unit: unit}
	for rest, state := text, -1; rest != ""; {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		used.add(cluster)
		fits := used.units() <= limit
		if fits {
			at.end += len(cluster)
		}
		switch {
		case cluster == " ":
			space = at // also when it alone does not fit any more
		case blank(cluster):
			line = at
		case fits:
			at.solid = at.end
		}
		if !fits {
			break
		}
	}
	switch {
	case at.end == len(text):
		return at
	case at.end == 0: // one grapheme alone is over the limit: cut inside it
		end := cutRunes(text, limit, unit)
		return cut{end, end}
	case line.end > at.end/2:
		return line
	case space.end > at.end/2:
		return space
	}
	return at
}

// blank tells that a whole grapheme is white space; a space that carries an
// accent is not.
func blank(cluster string) bool {
	return cluster == " " || cluster == "\n" || cluster == "\r\n" || cluster == "\r"
}

// trimBlank drops the white space at the beginning.
func trimBlank(text string) string {
	for text != "" {
		cluster, rest, _, _ := uniseg.FirstGraphemeClusterInString(text, -1)
		if !blank(cluster) {
			break
		}
		text = rest
	}
	return text
}

// cutRunes gives the length of as many characters as fit, at least one.
func cutRunes(text string, limit int, unit connectors.TextUnit) int {
	used := measure{unit: unit}
	for end := 0; end < len(text); {
		_, size := utf8.DecodeRuneInString(text[end:])
		if used.add(text[end : end+size]); used.units() > limit && end > 0 {
			return end
		}
		end += size
	}
	return len(text)
}
