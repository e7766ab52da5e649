package gateway

import (
	"context"
	"errors"
	"io"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
)

// fileTries is how often an agent's file is fetched for one sentence. After that
// it is given up: what comes after it in the conversation does not wait a day for
// a server that is not the network's.
const fileTries = 6

// prepare makes the files among a sentence's parts ready to be read. The parts
// themselves come from the text alone; only here it shows what a link of ours
// stands for, so a name may be added.
func (m *media) prepare(ch *channel, parts []connectors.Part) {
	for i := range parts {
		file := parts[i].File
		if file == nil {
			continue
		}
		ref := fileRef{URL: file.URL}
		var broken error
		if opaque, own := m.links.own(file.URL); own {
			ref, broken = m.links.open(opaque, time.Now())
			// Never what the address ends with: that would give the link away.
			file.Name = nameFor(ref.Name, ref.Type)
		}
		ref.Type = file.Type
		failures := 0
		file.Open = func(ctx context.Context) (*connectors.Media, error) {
			return m.forNetwork(ctx, ch, ref, broken, &failures)
		}
	}
}

// forNetwork opens an agent's file. Its error concerns the file and never the
// channel: it must neither pause nor slow down what else is sent.
func (m *media) forNetwork(ctx context.Context, ch *channel, ref fileRef, broken error, failures *int) (*connectors.Media, error) {
	if broken != nil {
		ch.metrics.file(journal.Out, mediaGone)
		return nil, &connectors.SendError{
			Outcome: connectors.Rejected, Reason: connectors.ReasonFile, Err: broken,
			Hint: "The file's link cannot be followed any more.",
		}
	}
	file, err := m.open(ctx, ref, "")
	if err == nil && file.ContentRange != "" {
		_ = file.Body.Close()
		err = noFile(connectors.ReasonContent, "only a piece of the file was given out")
	}
	if err != nil {
		se := connectors.AsSendError(err)
		ch.metrics.file(journal.Out, m.endOf(ctx, se))
		*failures++
		return nil, fileOnly(se, *failures)
	}
	ch.metrics.file(journal.Out, mediaOK)
	file.Body = &failingBody{ReadCloser: file.Body, failures: failures}
	file.Body = &countedBody{ReadCloser: file.Body, add: func(n int64) { ch.metrics.fileBytes(journal.Out, n) }}
	return file, nil
}

// failingBody says of a file that breaks off what is said of one that cannot be
// opened.
type failingBody struct {
	io.ReadCloser
	failures *int
}

func (b *failingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		*b.failures++
		err = fileOnly(connectors.AsSendError(err), *b.failures)
	}
	return n, err
}

// fileOnly says what a file's failure means for the send it belongs to. Reasons
// by which the engine would judge the account become ones of this message.
func fileOnly(se *connectors.SendError, tries int) *connectors.SendError {
	out := &connectors.SendError{Outcome: se.Outcome, Reason: se.Reason, Code: se.Code, Err: se.Err, Hint: "The agent's file could not be fetched."}
	switch {
	case se.Reason == connectors.ReasonCanceled:
		out.Outcome = connectors.NotSent
	case se.Reason == connectors.ReasonForbidden:
		out.Outcome = connectors.Rejected
	case se.Outcome == connectors.Rejected, se.Reason == connectors.ReasonAuth, se.Reason == connectors.ReasonBug, tries >= fileTries:
		out.Outcome, out.Reason = connectors.Rejected, connectors.ReasonFile
	case se.Reason == connectors.ReasonRate, se.Reason == connectors.ReasonConflict:
		out.Outcome, out.Reason = connectors.NotSent, connectors.ReasonServer
	default:
		out.Outcome = connectors.NotSent
	}
	return out
}
