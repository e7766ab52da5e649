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
//
// # As messages
//
// TwilioSms is the device of a message gateway, with the same settings by the names a
// core uses: AccountSID for account_sid. In, it delivers what a channel does. Out, a
// message's text goes to each of its numbers, in requests of at most MaxSegments short
// messages, marked "1/3 " where there are several; files stay behind. What becomes of a
// text after Twilio has taken it is not asked for: there is nobody to tell.
package sms
