package email

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"servicelink/connectors"
)

const (
	maxFiles    = 100      // of one mail; the others are in the original
	maxFileName = 120      // bytes
	peekMessage = 16 << 10 // how far the header of an attached mail is looked for
)

// file hands a part on to be kept, as a stream.
func (r *reading) file(body io.Reader, t mediaType, h header, name string) error {
	if t.name == "message/rfc822" || t.name == "message/global" {
		buffered := bufio.NewReaderSize(body, peekMessage)
		start, err := buffered.Peek(peekMessage)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		attached, err := readHeader(r.ctx, strings.NewReader(string(start)))
		if err != nil {
			return err
		}
		if r.returned == nil {
			r.returned = attached
		}
		if name == "" {
			name = safeName(strings.NewReplacer("/", "_", `\`, "_").Replace(decodeHeader(attached.get("subject"), r.hint)))
			if name != "" {
				name += ".eml"
			}
		}
		body = buffered
	}
	kind := t.name
	if !isMediaType(kind) {
		kind = "application/octet-stream"
	}
	if name == "" {
		name = fmt.Sprintf("part-%d%s", max(r.parts, 1), extensions[kind])
	}
	switch {
	case r.p.files == nil && len(r.unkept) < maxFiles:
		r.unkept = append(r.unkept, name)
		return nil
	case len(r.files) >= maxFiles || r.p.files == nil:
		r.problem("The message has more files than are kept one by one. The original message has all of them.")
		return nil
	}
	began, until := time.Now(), r.s.until
	r.s.until = time.Time{} // the disk has its own time
	kept, err := r.p.files.Put(r.ctx, name, kind, body)
	if !until.IsZero() {
		r.s.until = until.Add(time.Since(began))
	}
	if err != nil {
		return fmt.Errorf("keeping a file of a mail: %w", err)
	}
	r.files = append(r.files, kept)
	if id := strings.Trim(h.get("content-id"), "<> \t"); id != "" && kept.URL != "" {
		r.pictures[id] = kept.URL
	}
	return nil
}

// fillFiles lists what was kept, the mail as it came as the last one.
func (r *reading) fillFiles(m *connectors.Message) {
	m.Files = r.files
	if r.original.ID != "" && (r.p.settings.KeepOriginal || m.Problem != "") {
		whole := r.original
		whole.Original = true
		m.Files = append(m.Files, whole)
	}
}

// fileName is the name that a part gives itself, made safe; empty where it has none.
func fileName(disposition, t mediaType, hint string) string {
	name := disposition.params["filename"]
	if name == "" {
		name = t.params["name"]
	}
	if name == "" {
		return ""
	}
	return safeName(decodeHeader(name, hint))
}

// safeName makes of what a stranger wrote a name that a file can have on any
// system: no path, nothing that is not seen, not hidden, not too long.
func safeName(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r) || r == utf8.RuneError || unicode.Is(unicode.Cf, r):
			return -1
		case strings.ContainsRune(`<>:"/\|?*`, r):
			return '_'
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, name)
	name = strings.Trim(name, ". ")
	if len(name) <= maxFileName {
		return name
	}
	extension := path.Ext(name)
	if len(extension) > 12 {
		extension = ""
	}
	return strings.Trim(cutText(name, maxFileName-len(extension)), ". ") + extension
}

// isMediaType: "type/subtype" of the characters that RFC 6838 allows.
func isMediaType(s string) bool {
	kind, subtype, ok := strings.Cut(s, "/")
	return ok && len(s) <= 127 && isToken(kind) && isToken(subtype)
}

func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && !strings.ContainsRune("!#$&-^_.+", r)
	})
}

// extensions of files that came without a name. What the system knows of types
// differs from machine to machine; this does not.
var extensions = map[string]string{
	"application/ms-tnef":    ".dat",
	"application/msword":     ".doc",
	"application/pdf":        ".pdf",
	"application/zip":        ".zip",
	"application/pkcs7-mime": ".p7m",
	"audio/mpeg":             ".mp3",
	"audio/wav":              ".wav",
	"image/bmp":              ".bmp",
	"image/gif":              ".gif",
	"image/jpeg":             ".jpg",
	"image/jpg":              ".jpg",
	"image/png":              ".png",
	"image/svg+xml":          ".svg",
	"image/tiff":             ".tiff",
	"image/webp":             ".webp",
	"message/rfc822":         ".eml",
	"text/calendar":          ".ics",
	"text/csv":               ".csv",
	"text/html":              ".html",
	"text/plain":             ".txt",
	"text/vcard":             ".vcf",
	"text/x-vcard":           ".vcf",
	"video/mp4":              ".mp4",
}
