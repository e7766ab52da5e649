package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
)

// Limits of giving files out. They are few at once, so that files never take the
// room webhooks need; and no network alone takes all of it.
const (
	mediaAtOnce     = 64
	mediaPerChannel = 16               // of one channel
	mediaLongest    = 30 * time.Minute // one file
	mediaPatience   = 5 * time.Second  // Retry-After
	mediaBuffer     = 32 << 10
)

// front serves links to files and hands every other call to next.
func (m *media) front(next http.Handler) http.Handler {
	if m.links == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		opaque, ok := strings.CutPrefix(r.URL.EscapedPath(), mediaPath)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		m.serve(w, r, opaque)
	})
}

// serve answers one call for a file.
func (m *media) serve(w http.ResponseWriter, r *http.Request, opaque string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		m.refuse(w, "", mediaMethod, http.StatusMethodNotAllowed)
		return
	}
	ref, err := m.links.open(opaque, time.Now())
	switch {
	case errors.Is(err, errLinkForm):
		m.refuse(w, "", mediaMalformed, http.StatusNotFound)
		return
	case errors.Is(err, errLinkForged):
		m.refuse(w, "", mediaForged, http.StatusNotFound)
		return
	case err != nil:
		m.refuse(w, ref.Channel, mediaExpired, http.StatusGone)
		return
	case ref.isProbe():
		answerProbe(w, ref)
		return
	}
	if ch := m.channel(ref.Channel); !ref.isKept() && (ch == nil || !ch.cfg.Enabled) {
		m.refuse(w, ref.Channel, mediaNoChannel, http.StatusGone)
		return
	}
	if !m.room.enter(ref.Channel) {
		w.Header().Set("Retry-After", strconv.Itoa(int(mediaPatience.Seconds())))
		m.refuse(w, ref.Channel, mediaBusy, http.StatusServiceUnavailable)
		return
	}
	defer m.room.leave(ref.Channel)
	m.give(w, r, ref)
}

// give streams the file, or says why not.
func (m *media) give(w http.ResponseWriter, r *http.Request, ref fileRef) {
	ctx, cancel := context.WithTimeout(r.Context(), mediaLongest)
	defer cancel()
	defer context.AfterFunc(m.ctx, cancel)() //nolint:contextcheck // two lives end it: the call's and the gateway's
	// The listener's own limit for reading would end the call while a file still
	// goes out, its limit for writing is one for small answers.
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(mediaLongest))
	out := &patientWriter{w: w, c: c}

	asked := askedRange(r.Header)
	file, err := m.open(ctx, ref, asked)
	if err != nil {
		m.failed(w, r, ref, connectors.AsSendError(err))
		return
	}
	defer file.Body.Close()
	status := http.StatusOK
	if file.ContentRange != "" {
		status = http.StatusPartialContent
		if asked == "" {
			m.refuse(w, ref.Channel, mediaNetwork, http.StatusBadGateway)
			return
		}
	}
	fileHeader(w.Header(), ref, file)
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		m.count(ref.Channel).file(journal.In, mediaOK)
		return
	}
	n, err := io.CopyBuffer(out, onlyReader{file.Body}, make([]byte, mediaBuffer))
	m.count(ref.Channel).fileBytes(journal.In, n)
	if err == nil && file.Size >= 0 && n != file.Size {
		err = noFile(connectors.ReasonCut, "shorter than told")
	}
	if err == nil {
		m.count(ref.Channel).file(journal.In, mediaOK)
		return
	}
	end := mediaLeft
	if !out.failed {
		end = m.endOf(r.Context(), connectors.AsSendError(err))
	}
	m.count(ref.Channel).file(journal.In, end)
	m.log.Info("file broke off", "channel", ref.Channel, "outcome", string(end), "bytes", n)
	// The status is gone already: a connection cut short is the only way left to
	// say that this is not the whole file.
	panic(http.ErrAbortHandler)
}

// fileHeader describes the file so that no browser opens it as a page, keeps it,
// or tells others where it came from.
func fileHeader(h http.Header, ref fileRef, file *connectors.Media) {
	h.Set("Content-Type", file.Type)
	h.Set("Content-Disposition", disposition(nameFor(ref.Name, file.Type)))
	h["X-Content-Type-Options"] = headerNosniff
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	if file.Size >= 0 {
		h.Set("Content-Length", strconv.FormatInt(file.Size, 10))
	}
	if file.ContentRange != "" {
		h.Set("Content-Range", file.ContentRange)
		h.Set("Accept-Ranges", "bytes")
	}
}

// failed answers a call whose file could not be opened.
func (m *media) failed(w http.ResponseWriter, r *http.Request, ref fileRef, se *connectors.SendError) {
	end := m.endOf(r.Context(), se)
	status := http.StatusBadGateway
	switch end {
	case mediaGone:
		status = http.StatusNotFound
	case mediaTooBig:
		status = http.StatusRequestEntityTooLarge
	case mediaRange:
		status = http.StatusRequestedRangeNotSatisfiable
	case mediaBusy, mediaStopped:
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", strconv.Itoa(int(max(mediaPatience, se.RetryAfter).Seconds())))
	case mediaBug:
		status = http.StatusInternalServerError
	}
	m.log.Info("file not given out", "channel", ref.Channel, "outcome", string(end), "reason", string(se.Reason), "code", se.Code)
	m.refuse(w, ref.Channel, end, status)
}

// endOf names the outcome of a file that could not be read. caller is the
// context of the call.
func (m *media) endOf(caller context.Context, se *connectors.SendError) mediaEnd {
	switch {
	case m.ctx.Err() != nil:
		return mediaStopped
	case caller.Err() != nil:
		return mediaLeft
	case se.Code == rangeDenied:
		return mediaRange
	}
	switch se.Reason {
	case connectors.ReasonNotFound:
		return mediaGone
	case connectors.ReasonContent:
		return mediaTooBig
	case connectors.ReasonRate:
		return mediaBusy
	case connectors.ReasonForbidden:
		return mediaRefused
	case connectors.ReasonCut:
		return mediaCut
	case connectors.ReasonBug:
		return mediaBug
	}
	return mediaNetwork
}

// refuse answers with a status and its fixed words, nothing else.
func (m *media) refuse(w http.ResponseWriter, channel string, end mediaEnd, status int) {
	m.count(channel).file(journal.In, end)
	h := w.Header()
	h["X-Content-Type-Options"] = headerNosniff
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, strings.ToLower(http.StatusText(status))+"\n")
}

// patientWriter gives the caller time for each piece instead of for the whole.
type patientWriter struct {
	w      io.Writer
	c      *http.ResponseController
	failed bool // it was the caller who broke off
}

func (p *patientWriter) Write(b []byte) (int, error) {
	_ = p.c.SetWriteDeadline(time.Now().Add(mediaIdle))
	n, err := p.w.Write(b)
	p.failed = p.failed || err != nil
	return n, err
}

// onlyReader keeps io.Copy from any other way than reading.
type onlyReader struct{ io.Reader }

// mediaRoom bounds how many files are given out at once.
type mediaRoom struct {
	mu  sync.Mutex
	all int
	by  map[string]int
}

func (r *mediaRoom) enter(channel string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all >= mediaAtOnce || r.by[channel] >= mediaPerChannel {
		return false
	}
	if r.by == nil {
		r.by = make(map[string]int)
	}
	r.all++
	r.by[channel]++
	return true
}

func (r *mediaRoom) leave(channel string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all--
	if r.by[channel]--; r.by[channel] == 0 {
		delete(r.by, channel)
	}
}
