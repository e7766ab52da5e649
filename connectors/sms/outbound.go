package sms

import "servicelink/connectors"

// Capabilities implements connectors.Connector. What goes out is Channel.Send's; a
// text that is too long for a part the engine has cut, by the segments that the
// customer's network bills.
func (c *Connector) Capabilities() connectors.Capabilities {
	caps := c.Channel.Capabilities()
	caps.TextLimit, caps.TextUnit = c.maxSegments, connectors.SMSSegments
	if caps.Files {
		caps.Caption = c.maxSegments
	}
	return caps
}
