package main

import (
	"fmt"
	"path"
	"slices"

	"servicelink/simprot"
)

// filter says which packets are wanted. An empty list wants all.
type filter struct {
	conversations []string // TrackingIds, or their hashes as logs show them
	codes         []string // names, or patterns such as ES_CHAT_*
	ports         []string
}

// check reports a pattern that can match nothing.
func (f *filter) check() error {
	for _, pattern := range f.codes {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("--code %q: %w", pattern, err)
		}
	}
	return nil
}

// wants reports whether a packet is to be shown. A list is, when one of its
// items is of a conversation that is wanted.
func (f *filter) wants(p simprot.Packet, v *view) bool {
	return f.wantsCode(v.Code) &&
		(len(f.ports) == 0 || slices.Contains(f.ports, v.Port)) &&
		f.wantsConversation(p)
}

func (f *filter) wantsCode(code simprot.Code) bool {
	return len(f.codes) == 0 || slices.ContainsFunc(f.codes, func(pattern string) bool {
		ok, err := path.Match(pattern, string(code))
		return ok && err == nil
	})
}

func (f *filter) wantsConversation(p simprot.Packet) bool {
	wanted := len(f.conversations) == 0
	if wanted {
		return true
	}
	trackingIDs(p, func(id string) {
		wanted = wanted || id != "" &&
			(slices.Contains(f.conversations, id) || slices.Contains(f.conversations, simprot.LogID(id)))
	})
	return wanted
}
