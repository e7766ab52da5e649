package whatsapp

import (
	"cmp"
	"strings"

	"servicelink/connectors"
)

// known is what a message tells of its customer: the id that stays when a person
// with a username has no number to show, and the ad that led here.
func known(field func(name string) string) []connectors.Member {
	return []connectors.Member{
		{Name: "user", Value: strings.TrimPrefix(field("ExternalUserId"), prefix)},
		{Name: "wa", Value: field("WaId")},
		{Name: "ad", Value: cmp.Or(field("ReferralHeadline"), field("ReferralBody"), field("ReferralSourceId"))},
		{Name: "click", Value: field("ReferralCtwaClid")},
		{Name: "source", Value: field("ReferralSourceUrl")},
	}
}
