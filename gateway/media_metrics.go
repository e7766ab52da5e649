package gateway

import (
	"io"

	"servicelink/gateway/journal"
)

// mediaEnd is what became of one file: the label outcome of
// servicelink_media_total.
type mediaEnd string

// The closed list.
const (
	mediaOK        mediaEnd = "ok"
	mediaLeft      mediaEnd = "left"      // the caller went away
	mediaStopped   mediaEnd = "stopped"   // the gateway stops
	mediaMalformed mediaEnd = "malformed" // no link of ours: cut or changed
	mediaForged    mediaEnd = "forged"    // not sealed with our key
	mediaExpired   mediaEnd = "expired"
	mediaNoChannel mediaEnd = "no_channel" // of a channel that is not served any more
	mediaMethod    mediaEnd = "method"
	mediaBusy      mediaEnd = "busy" // too many at once, here or at the network
	mediaGone      mediaEnd = "gone" // the network has it no more
	mediaTooBig    mediaEnd = "too_big"
	mediaRange     mediaEnd = "range" // outside the file
	mediaRefused   mediaEnd = "egress"
	mediaCut       mediaEnd = "cut" // the network broke off
	mediaNetwork   mediaEnd = "network"
	mediaBug       mediaEnd = "bug"
)

// mediaEnds is the closed list of labels; bug comes last, since what is outside
// the list is one.
var mediaEnds = []string{
	string(mediaOK), string(mediaLeft), string(mediaStopped), string(mediaMalformed), string(mediaForged),
	string(mediaExpired), string(mediaNoChannel), string(mediaMethod), string(mediaBusy), string(mediaGone),
	string(mediaTooBig), string(mediaRange), string(mediaRefused), string(mediaCut), string(mediaNetwork), string(mediaBug),
}

// file counts what became of a file: a customer's (In) or an agent's (Out).
func (m *channelMetrics) file(d journal.Direction, end mediaEnd) { m.dir(d).files.inc(string(end)) }

func (m *channelMetrics) fileBytes(d journal.Direction, n int64) {
	m.dir(d).fileBytes.Add(float64(n))
}

// countedBody tells how much is read.
type countedBody struct {
	io.ReadCloser
	add func(n int64)
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.add(int64(n))
	return n, err
}
