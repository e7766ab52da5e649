package twilio

import (
	"strings"
	"unicode/utf16"
)

// The alphabet of GSM 03.38 and its extension, whose letters take two places.
const (
	gsmLetters = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtension = "\f^{}\\[~]|€"
)

// segments counts the short messages that text takes; a message of another
// channel is one.
func (n *Network) segments(text string) int {
	if n.channel != "sms" {
		return 1
	}
	var sizes []int // of what is not cut
	gsm := true
	for _, r := range text {
		switch {
		case strings.ContainsRune(gsmLetters, r):
			sizes = append(sizes, 1)
		case strings.ContainsRune(gsmExtension, r):
			sizes = append(sizes, 2)
		default:
			gsm = false
		}
	}
	if gsm {
		return fit(sizes, 160, 153)
	}
	sizes = sizes[:0]
	for _, r := range text {
		sizes = append(sizes, max(1, utf16.RuneLen(r)))
	}
	return fit(sizes, 70, 67)
}

// fit counts the parts when alone goes into a single one and each into one of
// several.
func fit(sizes []int, alone, each int) int {
	parts, used, total := 1, 0, 0
	for _, size := range sizes {
		total += size
		if used+size > each {
			parts, used = parts+1, 0
		}
		used += size
	}
	if total <= alone {
		return 1
	}
	return parts
}

// plainLetters is what SmartEncoded does: letters that only look special become
// those of GSM 03.38. The list is a part of Twilio's.
func plainLetters(text string) string { return smart.Replace(text) }

var smart = strings.NewReplacer(
	"«", `"`, "»", `"`, "“", `"`, "”", `"`, "„", `"`, "‘", "'", "’", "'", "‚", "'", "‛", "'", "`", "'",
	"–", "-", "—", "-", "‐", "-", "‑", "-", "…", "...", "\u00a0", " ", "\u2002", " ", "\u2003", " ", "\u200b", "", "•", "-",
)
