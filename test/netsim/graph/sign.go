package graph

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the network still sends it
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// Signature is the value of X-Hub-Signature-256 for a body
// (https://developers.facebook.com/docs/messenger-platform/webhooks#validate-payloads).
func Signature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// oldSignature is the value of X-Hub-Signature.
func oldSignature(secret string, body []byte) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write(body)
	return "sha1=" + hex.EncodeToString(mac.Sum(nil))
}

// escape writes JSON as the network does: in ASCII, small hex digits, surrogates in
// pairs, and the slash escaped.
func escape(raw []byte) []byte {
	out := make([]byte, 0, len(raw)+len(raw)/4)
	for len(raw) > 0 {
		r, size := utf8.DecodeRune(raw)
		raw = raw[size:]
		switch {
		case r == '/':
			out = append(out, '\\', '/')
		case r < utf8.RuneSelf:
			out = append(out, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
