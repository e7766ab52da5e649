// Package sms connects one sender of short messages by Twilio: a number, a short
// code or a messaging service. What it has in common with WhatsApp - webhooks,
// signatures, sending, status, recovery - is in connectors/internal/twilio, with its
// names.
//
// # In
//
//	text                    text
//	picture, contact, ...   one file event each, the text beside the first
//	STOP, when Twilio knows it   the text, and stop
//	START, HELP             the text, and a service event
//
// What Twilio makes of the number - city, state, country - is in the UserToken.
//
// # Out
//
// Text of at most max_segments short messages for each part. Files go as MMS where
// mms is set, which few countries have; else as their address in the text. There is
// no reply window, no typing, and no word of what was read.
package sms
