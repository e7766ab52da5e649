package gateway

import (
	"unicode/utf8"

	"servicelink/connectors"
)

// units is the length of a text as its network counts.
func units(s string, unit connectors.TextUnit) int {
	g := measure{unit: unit}
	g.add(s)
	return g.units()
}

// measure measures a text that grows; it never gets shorter by that.
type measure struct {
	unit connectors.TextUnit
	n    int
	sms  smsMeasure // with SMSSegments
}

func (m *measure) add(s string) {
	switch m.unit {
	case connectors.Bytes:
		m.n += len(s)
	case connectors.UTF16Units:
		for _, r := range s {
			m.n += utf16Units(r)
		}
	case connectors.SMSSegments:
		for _, r := range s {
			m.sms.add(r)
		}
	default:
		m.n += utf8.RuneCountInString(s)
	}
}

func (m *measure) units() int {
	if m.unit == connectors.SMSSegments {
		return m.sms.segments()
	}
	return m.n
}

func utf16Units(r rune) int {
	if r > 0xFFFF {
		return 2
	}
	return 1
}

// Places of one short message, and of each of several, which give some of theirs
// away to a header (3GPP TS 23.040, 9.2.3.24.1): of 7 bits in the default
// alphabet, of 16 in UCS-2.
const (
	septetsAlone, septetsEach = 160, 153
	ucs2Alone, ucs2Each       = 70, 67
)

// smsMeasure counts a text in both alphabets: one character that is not in the
// default one turns all of it to UCS-2.
type smsMeasure struct {
	septets, ucs2 segmentRun
	foreign       bool
}

func (m *smsMeasure) add(r rune) {
	if places := septets(r); places > 0 {
		m.septets.add(places, septetsEach)
	} else {
		m.foreign = true
	}
	m.ucs2.add(utf16Units(r), ucs2Each)
}

func (m *smsMeasure) segments() int {
	if m.foreign {
		return m.ucs2.segments(ucs2Alone)
	}
	return m.septets.segments(septetsAlone)
}

// segmentRun lays characters out over the messages of a series. None of them lies
// in two: a message that has room for half of one stays short.
type segmentRun struct{ total, full, last int }

func (s *segmentRun) add(places, each int) {
	s.total += places
	if s.last+places > each {
		s.full++
		s.last = 0
	}
	s.last += places
}

func (s *segmentRun) segments(alone int) int {
	switch {
	case s.total == 0:
		return 0
	case s.total <= alone:
		return 1
	}
	return s.full + 1
}

// The GSM 7 bit default alphabet (3GPP TS 23.038, 6.2.1) in the order of its
// codes, 0x1B being the escape to the extension table (6.2.1.1). National tables
// are not used by any network here.
const (
	gsmAlphabet = "@£$¥èéùìòÇ\nØø\rÅå" +
		"Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ" +
		" !\"#¤%&'()*+,-./" +
		"0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNO" +
		"PQRSTUVWXYZÄÖÑÜ§" +
		"¿abcdefghijklmno" +
		"pqrstuvwxyzäöñüà"
	gsmExtension = "\f^{}\\[~]|€"
)

var gsmSeptets = func() map[rune]int {
	places := make(map[rune]int)
	for _, r := range gsmAlphabet {
		places[r] = 1
	}
	delete(places, '\x1b')
	for _, r := range gsmExtension {
		places[r] = 2
	}
	return places
}()

// septets is how many places a character takes in the default alphabet; 0 = it is
// not in it.
func septets(r rune) int { return gsmSeptets[r] }
