// Package all lists the connectors that are compiled in.
package all

import (
	"servicelink/connectors"
	"servicelink/connectors/facebook"
	"servicelink/connectors/omnichannel"
	"servicelink/connectors/sms"
	"servicelink/connectors/telegram"
	"servicelink/connectors/whatsapp"
)

// All returns every connector's Definition, one line each.
func All() []connectors.Definition {
	return []connectors.Definition{
		facebook.Definition,
		omnichannel.Definition,
		sms.Definition,
		telegram.Definition,
		whatsapp.Definition,
	}
}
