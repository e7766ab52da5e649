package whatsapp

import (
	"regexp"
	"time"
)

// Limits of Twilio for WhatsApp.
const (
	textLimit    = 1600 // characters of Body (error 21617)
	captionLimit = 1600 // beside a file
	// replyWindow is how long after the customer's latest message anything but a
	// template is taken (error 63016).
	replyWindow = 24 * time.Hour
	// perSecond is what a sender sends unless Twilio has raised it.
	perSecond = 80
)

// prefix stands before every address.
const prefix = "whatsapp:"

// sender is a number; a sender has no other form.
var sender = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// typingPath is the API that shows typing, below messaging_url.
const typingPath = "/v2/Indicators/Typing.json"
