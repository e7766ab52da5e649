// Package whatsapp connects one WhatsApp sender by Twilio. What it has in common
// with SMS - webhooks, signatures, sending, status, recovery - is in
// connectors/internal/twilio, with its names.
//
// # In
//
//	text                      text; a forwarded one with "Forwarded:" in front
//	picture, sound, file, ... one file event each, the text beside the first
//	contact                   file of type text/vcard
//	location                  location, with its label and address
//	quick reply, list         button with its payload
//	reply                     quote; what the answered message said is not told
//	click on an ad            the ad in the UserToken
//	anything else             unsupported
//
// Reactions, edits, deletions, typing and groups do not come.
//
// # Out
//
// Text and one file for each message, in the 24 hours after the customer's latest
// one; at any time templates (ContentSid). Buttons exist in templates only. Typing
// marks the customer's message as read; there is no call for that alone.
package whatsapp
