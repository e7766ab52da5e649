package gateway

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"sync"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/files"
	"servicelink/internal/egress"
)

// How a file is read. Nothing of it is kept.
const (
	mediaHeader    = 15 * time.Second // until the network begins to answer
	mediaIdle      = 30 * time.Second // between two pieces, from the network and to the caller
	mediaRedirects = 5
)

// media carries files: customers' to whoever follows a link of ours, agents' to
// the networks. Addresses and credentials of the networks stay inside.
type media struct {
	links   *links // nil: public.url is not set, so there are none
	limit   int64  // bytes of one file
	way     wayOut
	channel func(name string) *channel // a configured one, or nil
	strays  *channelMetrics            // counts what no channel can be blamed for
	files   *files.Store               // of messages; nil: none are kept
	log     *slog.Logger
	room    mediaRoom
	// ctx ends what is being given out, when the gateway stops.
	ctx  context.Context //nolint:containedctx // the life of the service, not of a call
	stop context.CancelFunc
}

// newMedia connects to nothing.
func (g *Gateway) newMedia(cfg *config.Config) (*media, error) {
	links, err := newLinks(cfg)
	if err != nil {
		return nil, err
	}
	m := &media{
		links: links, limit: int64(cfg.Media.MaxBytes), channel: g.channel, strays: g.metrics.unknown, log: g.log,
		files: newFiles(cfg),
		way:   wayOut{base: g.opts.Transport, config: func() config.Egress { return g.config().Egress }},
	}
	registerFiles(g.registry, m.files)
	m.ctx, m.stop = context.WithCancel(g.life.hard)
	return m, nil
}

// close ends what is being given out.
func (m *media) close() {
	m.stop()
	m.way.close()
}

// count gives the metrics of a channel, by what a link says of its name.
func (m *media) count(name string) *channelMetrics {
	if ch := m.channel(name); ch != nil {
		return ch.metrics
	}
	return m.strays
}

// wayOut is the client behind the egress guard as it is configured now.
type wayOut struct {
	config func() config.Egress
	base   http.RoundTripper // stands in for the network in tests; nil = TCP
	mu     sync.Mutex
	client *http.Client
	made   config.Egress // what client was made from
}

func (w *wayOut) now() (*http.Client, error) {
	cfg := w.config()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.client != nil && reflect.DeepEqual(cfg, w.made) {
		return w.client, nil
	}
	client, err := egress.NewClient(cfg, &egress.Guard{Allow: cfg.Allow}, w.base)
	if err != nil {
		return nil, err
	}
	if w.client != nil {
		w.client.CloseIdleConnections()
	}
	w.client, w.made = client, cfg
	return client, nil
}

func (w *wayOut) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.client != nil {
		w.client.CloseIdleConnections()
	}
}

// open begins to read the file a link stands for. The Media's Type is decided by
// its first bytes, its Body bounded in size and idle time. Every error, those of
// Body too, is a *connectors.SendError that says what a request for a file says:
// nothing was sent to a customer.
func (m *media) open(ctx context.Context, ref fileRef, byteRange string) (*connectors.Media, error) {
	inner, cancel := context.WithCancel(ctx)
	raw, err := m.source(inner, ref, byteRange)
	if err != nil {
		cancel()
		return nil, fileError(ctx, err)
	}
	limit := m.limit
	if ref.isKept() {
		limit = mostKept // its device has decided
	}
	file, err := m.bounded(ctx, raw, cancel, cmp.Or(ref.Type, raw.Type), limit)
	if err != nil {
		return nil, fileError(ctx, err)
	}
	return file, nil
}

// source asks the connector for the file, or its address where the connector
// leaves that to us.
func (m *media) source(ctx context.Context, ref fileRef, byteRange string) (*connectors.Media, error) {
	if ref.isKept() {
		return m.kept(ref, byteRange)
	}
	if ref.URL != "" {
		return m.fetch(ctx, ref.URL, byteRange)
	}
	ch := m.channel(ref.Channel)
	if ch == nil {
		return nil, noFile(connectors.ReasonNotFound, "its channel is not configured any more")
	}
	opener, ok := ch.conn.(connectors.AttachmentOpener)
	if !ok {
		return nil, noFile(connectors.ReasonNotFound, "its channel opens no files")
	}
	return openSafely(ctx, opener, connectors.File{ID: ref.ID, Type: ref.Type, Name: ref.Name, Size: ref.Size}, byteRange)
}

// openSafely keeps a connector's panic at the border.
func openSafely(ctx context.Context, opener connectors.AttachmentOpener, file connectors.File, byteRange string) (m *connectors.Media, err error) {
	defer func() {
		if p := recover(); p != nil {
			m, err = nil, noFile(connectors.ReasonBug, fmt.Sprintf("connector panicked: %T", p))
		}
	}()
	m, err = opener.Open(ctx, file, byteRange)
	switch _, ok := errors.AsType[*connectors.SendError](err); {
	case ok:
		return nil, err
	case err != nil && ctx.Err() == nil:
		return nil, noFile(connectors.ReasonBug, "connector failed with an error of its own type")
	case err == nil && (m == nil || m.Body == nil):
		return nil, noFile(connectors.ReasonBug, "connector opened nothing")
	}
	return m, err
}

// fetch asks an address that comes from outside, through the egress guard.
func (m *media) fetch(ctx context.Context, address, byteRange string) (*connectors.Media, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, noFile(connectors.ReasonNotFound, "not an address files are fetched from")
	}
	req, err := http.NewRequestWithContext(egress.WithRedirects(ctx, mediaRedirects), http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, noFile(connectors.ReasonNotFound, "not an address files are fetched from")
	}
	req.Header.Set("User-Agent", "servicelink")
	if byteRange != "" {
		req.Header.Set("Range", byteRange)
	}
	client, err := m.way.now()
	if err != nil {
		return nil, err
	}
	answer, err := egress.Stream(client, req, egress.Limits{Header: mediaHeader, Idle: mediaIdle, Bytes: m.limit})
	if err != nil {
		return nil, err
	}
	file := &connectors.Media{Body: answer.Body, Type: answer.Header.Get("Content-Type"), Size: answer.ContentLength}
	switch answer.StatusCode {
	case http.StatusOK:
		return file, nil
	case http.StatusPartialContent:
		if file.ContentRange = answer.Header.Get("Content-Range"); file.ContentRange != "" {
			return file, nil
		}
		_ = answer.Body.Close()
		return nil, noFile(connectors.ReasonAnswer, "a piece of which nobody says which one it is")
	}
	_ = answer.Body.Close()
	return nil, statusError(answer.StatusCode)
}

// statusError is what an answer other than the file says about it. Networks and
// file stores say 401 and 403 of a file whose signed address has expired.
func statusError(status int) *connectors.SendError {
	se := &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound, Code: strconv.Itoa(status)}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
	case http.StatusRequestEntityTooLarge, http.StatusRequestedRangeNotSatisfiable:
		se.Reason = connectors.ReasonContent
	default:
		se.Outcome, se.Reason = connectors.NotSent, connectors.ReasonServer
	}
	return se
}

// bounded puts the limits around an opened file and looks at its first bytes.
func (m *media) bounded(ctx context.Context, raw *connectors.Media, cancel context.CancelFunc, told string, limit int64) (*connectors.Media, error) {
	body := egress.NewBody(raw.Body, cancel, limit, mediaIdle)
	whole, from := raw.Size, int64(0)
	if raw.ContentRange != "" {
		p, ok := parsePiece(raw.ContentRange)
		if !ok || raw.Size >= 0 && raw.Size != p.length {
			_ = body.Close()
			return nil, noFile(connectors.ReasonAnswer, "the answer's range makes no sense")
		}
		whole, from = p.total, p.from
	}
	if whole > limit {
		_ = body.Close()
		return nil, noFile(connectors.ReasonContent, "the file is larger than media.max_bytes")
	}
	// Not ReadFull: it says of a connection that was cut what it says of a short file.
	head, err := io.ReadAll(io.LimitReader(body, sniffed))
	if err == nil && len(head) < sniffed && raw.Size >= 0 && int64(len(head)) != raw.Size {
		err = noFile(connectors.ReasonCut, "shorter than told")
	}
	if err != nil {
		_ = body.Close()
		return nil, err
	}
	file := &connectors.Media{Type: contentType(head, told), Size: raw.Size, ContentRange: raw.ContentRange}
	if from > 0 {
		file.Type = innerType(told)
	}
	file.Body = &mediaBody{Reader: io.MultiReader(bytes.NewReader(head), body), closer: body, ctx: ctx}
	return file, nil
}

// mediaBody is a bounded body with its first bytes put back.
type mediaBody struct {
	io.Reader
	closer io.Closer
	ctx    context.Context //nolint:containedctx // of the one call the body belongs to
}

func (b *mediaBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fileError(b.ctx, err)
	}
	return n, err
}

// Close ends a Read under way.
func (b *mediaBody) Close() error { return b.closer.Close() }

func noFile(reason connectors.Reason, text string) *connectors.SendError {
	return &connectors.SendError{Outcome: connectors.Rejected, Reason: reason, Err: errors.New(text)}
}

// fileError turns any error of reading a file into a SendError. Its text is
// fixed: what net/http says quotes addresses.
func fileError(ctx context.Context, err error) *connectors.SendError {
	if se, ok := errors.AsType[*connectors.SendError](err); ok {
		return se
	}
	if errors.Is(err, egress.ErrTooLarge) {
		return noFile(connectors.ReasonContent, "the file is larger than media.max_bytes")
	}
	reason, text := egress.Describe(err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled) && reason != connectors.ReasonTimeout:
		reason, text = connectors.ReasonCanceled, "stopped"
	case reason == "":
		reason = connectors.ReasonCut
	}
	return &connectors.SendError{Outcome: connectors.NotSent, Reason: reason, Err: errors.New(text)}
}
