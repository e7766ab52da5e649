package graph

import (
	"fmt"
	"time"

	"servicelink/test/netsim/control"
)

// own is the customer's message that the action changes.
func (cu *customer) own() (*message, error) {
	m, err := cu.meant()
	if err == nil && (m.mine || m.deleted) {
		err = fmt.Errorf("%w: it is not the customer's, or no longer", control.ErrAction)
	}
	return m, err
}

// edit changes the text of a message. The network writes how often that was as a
// number, and sometimes as a string.
func (cu *customer) edit() (control.ID, error) {
	m, err := cu.own()
	if err != nil {
		return "", err
	}
	if err := cu.worded(); err != nil {
		return "", err
	}
	m.edits++
	m.text = cu.Text
	var times any = m.edits
	if m.edits%2 == 0 {
		times = fmt.Sprint(m.edits)
	}
	cu.s.emit(cu.p, cu.who, cu.news(kindEdit, "message_edits", "message_edit", map[string]any{
		"mid": m.mid, "text": cu.Text, "num_edit": times,
	}))
	return cu.Message, cu.reshow(func(on *control.Message) { on.Text, on.Edited = cu.Text, true })
}

// unsend takes a message back. The event has the message's own mid.
func (cu *customer) unsend() (control.ID, error) {
	m, err := cu.own()
	if err != nil {
		return "", err
	}
	m.deleted = true
	cu.s.emit(cu.p, cu.who, cu.news(kindMessage, "messages", "message", map[string]any{"mid": m.mid, "is_deleted": true}))
	return cu.Message, cu.reshow(func(on *control.Message) { on.Deleted = true })
}

// names of the reactions that the network names; all others are "other".
var reactions = map[string]string{
	"❤": "love", "❤️": "love", "😍": "love", "😆": "smile", "😮": "wow", "😢": "sad", "😠": "angry", "👍": "like", "👎": "dislike",
}

// react puts one reaction on a message, or, with none, takes it away.
func (cu *customer) react() (control.ID, error) {
	if len(cu.Emoji) == 0 {
		return cu.unreact()
	}
	m, err := cu.meant()
	if err != nil {
		return "", err
	}
	m.reaction = cu.Emoji[0]
	name := reactions[m.reaction]
	if name == "" {
		name = "other"
	}
	cu.who.wrote = cu.now
	cu.s.emit(cu.p, cu.who, cu.news(kindReaction, "message_reactions", "reaction", map[string]any{
		"mid": m.mid, "action": "react", "reaction": name, "emoji": m.reaction,
	}))
	return cu.Message, cu.reshow(func(on *control.Message) { on.Reactions = []string{m.reaction} })
}

func (cu *customer) unreact() (control.ID, error) {
	m, err := cu.meant()
	switch {
	case err != nil:
		return "", err
	case m.reaction == "":
		return "", fmt.Errorf("%w: there is no reaction", control.ErrAction)
	}
	m.reaction = ""
	cu.s.emit(cu.p, cu.who, cu.news(kindReaction, "message_reactions", "reaction", map[string]any{"mid": m.mid, "action": "unreact"}))
	return cu.Message, cu.reshow(func(on *control.Message) { on.Reactions = nil })
}

func (cu *customer) reshow(fn func(on *control.Message)) error {
	return cu.s.ChangeMessage(cu.p.Account.Account, cu.who.id, cu.Message, fn)
}

// expire makes the customer's last message older than the reply window.
func (cu *customer) expire() (control.ID, error) {
	if cu.Data == "late" {
		cu.who.wrote = time.Time{}
		return "", nil
	}
	if past := cu.now.Add(-seconds(cu.p.Window)); cu.who.wrote.After(past) {
		cu.who.wrote = past
	}
	return "", nil
}
