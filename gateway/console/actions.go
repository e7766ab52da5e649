package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// actTime bounds one form's work: a page of messages, one after the other.
const actTime = time.Minute

// verbs are what forms may ask for.
var verbs = map[Verb]struct {
	done    string // "3 messages ..."
	whole   bool   // of a whole channel
	confirm bool   // it cannot be taken back: it is asked for twice
}{
	Requeue:         {done: "requeued"},
	Discard:         {done: "discarded", confirm: true},
	RequeueSuspect:  {done: "sent once more"},
	DiscardSuspect:  {done: "made a dead letter", confirm: true},
	DiscardStranded: {done: "given up", confirm: true},
	DiscardChannel:  {done: "given up", whole: true, confirm: true},
	Pause:           {done: "paused", whole: true},
	Resume:          {done: "resumed", whole: true},
}

// confirmation is the page between a button and what cannot be taken back.
type confirmation struct {
	Verb    Verb
	Channel string
	Seqs    []int64
	Back    string
}

// act does what a form asks: one=SEQ of a button beside a message, seq= of those
// that are ticked, or channel=. Each message is one action, with its own line in
// the log; what was done is said on the page that follows.
func (c *console) act(w http.ResponseWriter, r *http.Request, s *session) {
	verb, one := Verb(r.PostFormValue("verb")), r.PostFormValue("one")
	if v, seq, ok := cut(one); ok { // a button beside a message says which and what
		verb, r.PostForm["seq"] = v, []string{seq}
	}
	kind, known := verbs[verb]
	seqs, err := numbers(r.PostForm["seq"])
	channel, back := r.PostFormValue("channel"), ownPath(r.PostFormValue("back"))
	switch {
	case !known || err != nil:
		c.fail(w, r, s, &Error{http.StatusBadRequest, "This form cannot be understood. Nothing was done."})
		return
	case !kind.whole && len(seqs) == 0:
		s.say("Nothing was chosen: tick the messages first.")
	case kind.whole && channel == "":
		c.fail(w, r, s, &Error{http.StatusBadRequest, "No channel was named. Nothing was done."})
		return
	case kind.confirm && r.PostFormValue("sure") != "yes":
		c.render(w, r, http.StatusOK, "confirm", &page{
			Title: "Are you sure?", Nav: "dead", session: s, Still: true, Data: &confirmation{verb, channel, seqs, back},
		})
		return
	case kind.whole:
		s.say(c.actOn(r, Action{Verb: verb, Channel: channel, Remote: r.RemoteAddr}))
	default:
		s.say(c.actAll(r, verb, seqs))
	}
	http.Redirect(w, r, back, http.StatusSeeOther) //nolint:gosec // ownPath stays in the console
}

// cut reads "VERB SEQ".
func cut(one string) (Verb, string, bool) {
	for i := range one {
		if one[i] == ' ' {
			return Verb(one[:i]), one[i+1:], true
		}
	}
	return "", "", false
}

func numbers(list []string) ([]int64, error) {
	seqs := make([]int64, len(list))
	for i, text := range list {
		seq, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seq < 1 || len(list) > rowsPage {
			return nil, errors.New("not a list of messages")
		}
		seqs[i] = seq
	}
	return seqs, nil
}

// actOn does something to a whole channel.
func (c *console) actOn(r *http.Request, a Action) string {
	// Once begun it is finished, whoever hangs up: so in actAll.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actTime)
	defer cancel()
	n, err := c.opts.Source.Act(ctx, a)
	done := verbs[a.Verb].done
	switch {
	case err != nil:
		return fmt.Sprintf("Channel %s was not %s: %v.", a.Channel, done, err)
	case a.Verb == DiscardChannel:
		return fmt.Sprintf("%s %s.", messages(n), done)
	default:
		return fmt.Sprintf("Channel %s is %s.", a.Channel, done)
	}
}

// actAll does something to messages and sums it up; of what failed, why the first
// did.
func (c *console) actAll(r *http.Request, verb Verb, seqs []int64) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actTime)
	defer cancel()
	done, first := 0, error(nil)
	for _, seq := range seqs {
		_, err := c.opts.Source.Act(ctx, Action{Verb: verb, Seq: seq, Remote: r.RemoteAddr})
		if err == nil {
			done++
			continue
		}
		first = cmp.Or(first, fmt.Errorf("message %d: %w", seq, err))
	}
	said := fmt.Sprintf("%s %s.", messages(done), verbs[verb].done)
	if first != nil {
		said = fmt.Sprintf("%s %d not; %v.", said, len(seqs)-done, first)
	}
	return said
}

func messages(n int) string {
	if n == 1 {
		return "1 message"
	}
	return strconv.Itoa(n) + " messages"
}

// examine has the doctor look now. That may take longer than a page may.
func (c *console) examine(w http.ResponseWriter, r *http.Request, s *session) {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Time{}) // a recorder has none; Examine has its own end
	if err := c.opts.Source.Examine(context.WithoutCancel(r.Context()), r.RemoteAddr); err != nil {
		s.say("The doctor could not look: " + err.Error() + ".")
	} else {
		s.say("The doctor has looked at everything now.")
	}
	http.Redirect(w, r, ownPath(r.PostFormValue("back")), http.StatusSeeOther) //nolint:gosec // ownPath stays in the console
}
