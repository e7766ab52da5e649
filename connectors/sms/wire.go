package sms

import "regexp"

// Limits of Twilio for short messages.
const (
	// mostSegments is what fits into 1600 characters (error 21617): 10 of 153.
	mostSegments = 10
	// perSecond is what a long number sends in most countries.
	perSecond = 1
)

// sender is a number or a short code. A name in letters takes no answers.
var sender = regexp.MustCompile(`^(\+[1-9][0-9]{6,14}|[0-9]{3,8})$`)
