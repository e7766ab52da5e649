package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/files"
)

// keptScheme begins a fileRef's URL where the file is in our own folder; a name in it
// follows.
const keptScheme = "kept:"

// mostKept is more than any file of ours has, in bytes.
const mostKept = 1 << 40

func (r *fileRef) isKept() bool { return strings.HasPrefix(r.URL, keptScheme) }

// newFiles is the folder where files of messages are kept; nil where there is none.
func newFiles(cfg *config.Config) *files.Store {
	path := cfg.FilesPath()
	if path == "" {
		return nil
	}
	return files.New(files.Options{Path: path, MaxBytes: int64(cfg.Files.MaxBytes), Keep: cfg.Files.Keep})
}

// keeper is the folder as one message gateway uses it: what is put there has a link.
type keeper struct {
	*files.Store
	links   *links // nil: public.url is not set, so there are none
	keep    time.Duration
	channel string
}

// keeperOf lends the folder to a message gateway; nil where there is none.
func (g *Gateway) keeperOf(cfg config.Channel, all *config.Config) connectors.FileKeeper {
	if cfg.Gateway == nil || g.media.files == nil {
		return nil
	}
	return keeper{g.media.files, g.media.links, all.Files.Keep, cfg.Name}
}

// Put is connectors.FileKeeper's.
func (k keeper) Put(ctx context.Context, name, mimeType string, r io.Reader) (connectors.File, error) {
	f, err := k.Store.Put(ctx, name, mimeType, r)
	if err == nil && k.links != nil {
		f.URL = k.links.sealed(fileRef{
			Channel: k.channel, URL: keptScheme + f.ID, Type: f.Type, Name: fileName(name), Size: f.Size, Expires: time.Now().Add(k.keep),
		})
	}
	return f, err
}

// kept begins to read a file of our own folder, or one range of it.
func (m *media) kept(ref fileRef, byteRange string) (*connectors.Media, error) {
	if m.files == nil {
		return nil, noFile(connectors.ReasonNotFound, "no files are kept here")
	}
	f, err := m.files.Open(strings.TrimPrefix(ref.URL, keptScheme))
	if err != nil {
		return nil, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	from, length, partial, denied := rangeOf(byteRange, size)
	if err == nil && !denied {
		_, err = f.Seek(from, io.SeekStart)
	}
	switch {
	case err != nil:
		return nil, errors.Join(err, f.Close())
	case denied:
		_ = f.Close()
		return nil, &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonContent, Code: rangeDenied, Err: errors.New("outside the file")}
	}
	out := &connectors.Media{Body: limitedFile{io.LimitReader(f, length), f}, Type: ref.Type, Size: length}
	if partial {
		out.ContentRange = fmt.Sprintf("bytes %d-%d/%d", from, from+length-1, size)
	}
	return out, nil
}

type limitedFile struct {
	io.Reader
	io.Closer
}

// rangeOf reads what askedRange lets through for a file of a size.
func rangeOf(asked string, size int64) (from, length int64, partial, denied bool) {
	first, last, ok := strings.Cut(strings.TrimPrefix(asked, "bytes="), "-")
	if !ok {
		return 0, size, false, false
	}
	a, errFirst := strconv.ParseInt(first, 10, 64)
	b, errLast := strconv.ParseInt(last, 10, 64)
	switch {
	case errFirst != nil: // "-b": the last b bytes
		a, b = max(0, size-b), size-1
	case errLast != nil || b >= size:
		b = size - 1
	}
	if a > b {
		return 0, 0, false, true
	}
	return a, b - a + 1, true, false
}

// filesFault is why no file of a message can be kept now.
func (g *Gateway) filesFault() []Fault {
	if g.media.files == nil {
		return nil
	}
	const mails = ", so mails stay in their mailboxes: "
	switch err := g.media.files.Health(); {
	case err == nil:
		return nil
	case errors.Is(err, files.ErrFull):
		return []Fault{fault("", string(connectors.FaultFilesFull), "files.max_bytes is reached"+mails+cureFilesLimit)}
	case noRoom(err):
		return []Fault{fault("", string(connectors.FaultFilesFull), "the disk of files.path is full"+mails+cureFilesRoom)}
	}
	return []Fault{fault("", string(connectors.FaultFilesAway), "the folder of files cannot be written"+mails+"check the disk and the folder's permissions")}
}

// filesEvery is how often the folder of files is swept.
const filesEvery = time.Hour

// keepFiles sweeps the folder of files, from the start on, until ctx ends: by itself,
// since that takes long where there are many.
func (g *Gateway) keepFiles(ctx context.Context) {
	if g.media.files == nil {
		return
	}
	every := time.NewTicker(filesEvery)
	defer every.Stop()
	for ctx.Err() == nil {
		if _, err := g.media.files.Sweep(ctx); err != nil && ctx.Err() == nil {
			g.log.Error("the folder of files cannot be swept", "error", err)
		}
		select {
		case <-every.C:
		case <-ctx.Done():
		}
	}
}

// registerFiles shows the folder among the metrics.
func registerFiles(reg prometheus.Registerer, store *files.Store) {
	usage := func() (count, bytes, refused int64) {
		if store == nil {
			return 0, 0, 0
		}
		return store.Usage()
	}
	add(reg, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "servicelink_files", Help: "Files of messages that are kept. They are counted at the start.",
	}, func() float64 { n, _, _ := usage(); return float64(n) }))
	add(reg, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "servicelink_files_bytes", Help: "Bytes of the files of messages that are kept.",
	}, func() float64 { _, n, _ := usage(); return float64(n) }))
	add(reg, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "servicelink_files_max_bytes", Help: "files.max_bytes: with servicelink_files_bytes at it no mail is taken any more. 0: unlimited, or none are kept.",
	}, func() float64 {
		if store == nil {
			return 0
		}
		return float64(store.MaxBytes())
	}))
	add(reg, prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "servicelink_files_refused_total", Help: "Files of messages that could not be kept: their messages stay where they are.",
	}, func() float64 { _, _, n := usage(); return float64(n) }))
}
