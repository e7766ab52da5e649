package main

import (
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"

	"servicelink/simprot"
)

// secretMembers are never shown, not even when unmasking was asked for. A
// Device is a JSON object with the passwords of mail hosts in it.
var secretMembers = map[string]bool{"Secret": true, "Device": true}

// plainMembers are the texts that say nothing about a customer. Every other
// text is masked, so that a member which is added later is too.
var plainMembers = map[string]bool{
	"Peer": true, "Port": true, "ID": true, "Status": true, "Signal": true, "PreferredCulture": true, "Culture": true,
	"Account": true, "Instance": true, "Encoding": true, "Server": true, "Reason": true, "Token": true,
	"ChatType": true, "ControlType": true, "Network": true, "TextUnit": true, "Direction": true, "Channel": true,
}

// answerMembers hold what a customer filled into a form, and are no texts.
var answerMembers = map[string]bool{"ResultNumber": true, "ResultTime": true}

// mask stands for a value that is not shown.
type mask string

// masked tells of a text how long it is and what it begins with.
func masked(text string) mask {
	first, _ := utf8.DecodeRuneInString(text)
	return mask(fmt.Sprintf("<%d characters, %s>", utf8.RuneCountInString(text), runeClass(first)))
}

// maskedTracking is what logs show of a TrackingId.
func maskedTracking(id string) mask { return mask("<conversation " + simprot.LogID(id) + ">") }

func runeClass(r rune) string {
	switch {
	case unicode.IsLetter(r):
		return "letter"
	case unicode.IsNumber(r):
		return "number"
	case unicode.IsSpace(r):
		return "space"
	case unicode.IsPunct(r):
		return "punctuation"
	case unicode.IsSymbol(r):
		return "symbol"
	case unicode.IsControl(r):
		return "control"
	default:
		return "other"
	}
}

// shown makes a text from outside safe for a terminal and one word of a line.
func shown(text string) string {
	for _, r := range text {
		if r <= ' ' || r == '"' || r == '\\' || r == '=' || !strconv.IsPrint(r) || r == utf8.RuneError {
			return strconv.Quote(text)
		}
	}
	if text == "" {
		return `""`
	}
	return text
}
