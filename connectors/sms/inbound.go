package sms

import "servicelink/connectors"

// known is where Twilio takes the customer's number to be from.
func known(field func(name string) string) []connectors.Member {
	return []connectors.Member{
		{Name: "country", Value: field("FromCountry")},
		{Name: "city", Value: field("FromCity")},
		{Name: "state", Value: field("FromState")},
		{Name: "zip", Value: field("FromZip")},
	}
}
