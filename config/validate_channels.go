package config

import (
	"fmt"
	"regexp"
)

// channelName is also a metric label and part of paths.
var channelName = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

func (v *validator) channels() {
	if len(v.cfg.Channels) == 0 && len(v.cfg.Messages.Gateways) == 0 {
		v.warn("channels", "there is none, so nothing comes or goes but by message gateways of the core's register", "")
	}
	names, ports := map[string]int{}, map[string]int{}
	for i := range v.cfg.Channels {
		channel := &v.cfg.Channels[i]
		path := fmt.Sprintf("channels[%d]", i)
		v.channel(path, channel)
		v.unique(join(path, "name"), channel.Name, i, names)
		if !channel.Enabled {
			continue
		}
		at := join(path, "port")
		if !v.written(at) {
			at = join(path, "name")
		}
		v.unique(at, channel.Port, i, ports)
		v.closedText(path, channel)
	}
}

func (v *validator) channel(path string, channel *Channel) {
	name := join(path, "name")
	switch {
	case channel.Name == "":
		v.fail(name, "is missing", "")
	case !channelName.MatchString(channel.Name):
		v.fail(name, "must have 1 to 40 of a-z, 0-9 and -", "")
	}
	if channel.Network == "" {
		v.fail(join(path, "network"), "is missing", "such as omnichannel")
	}
	if channel.Port != channel.Name {
		v.printable(join(path, "port"), channel.Port)
	}
	if !culture.MatchString(channel.Culture) {
		v.fail(join(path, "culture"), "is not a culture", cultureHint)
	}
	if channel.Unknown != "" {
		oneOf(v, join(path, "unknown"), channel.Unknown, Resend, Report)
	}
	oneOf(v, join(path, "confirm"), channel.Confirm, ConfirmAccepted, ConfirmDelivered)
	closed := join(path, "when_closed")
	oneOf(v, closed, channel.WhenClosed, Hold, Answer)
	if channel.WhenClosed == Hold && v.cfg.Journal.Driver == "memory" {
		v.fail(closed, "cannot be hold: the memory journal keeps nothing while the core is closed", "write answer, or use the sqlite journal")
	}
}

// unique reports a value that an earlier channel has.
func (v *validator) unique(path, value string, i int, seen map[string]int) {
	if value == "" {
		return
	}
	if first, taken := seen[value]; taken {
		v.fail(path, fmt.Sprintf("is the same as that of channels[%d]", first), "")
		return
	}
	seen[value] = i
}

// closedText warns when a customer's message is finished without a word.
func (v *validator) closedText(path string, channel *Channel) {
	texts := v.cfg.Texts.Closed
	if channel.WhenClosed == Answer && texts[channel.Culture] == "" && texts["en"] == "" {
		v.warn(join(path, "when_closed"), "answers nothing: texts.closed has neither the channel's culture nor en",
			"a customer who writes while the core is closed hears nothing")
	}
}
