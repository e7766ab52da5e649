// Package all lists the connectors that are compiled in.
package all

import (
	"servicelink/connectors"
	"servicelink/connectors/omnichannel"
	"servicelink/connectors/telegram"
)

// All returns every connector's Definition, one line each.
func All() []connectors.Definition {
	return []connectors.Definition{
		omnichannel.Definition,
		telegram.Definition,
	}
}
