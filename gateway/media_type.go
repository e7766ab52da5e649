package gateway

import (
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/rivo/uniseg"

	"servicelink/connectors"
)

const (
	sniffed    = 512 // bytes, as http.DetectContentType wants them
	plainBytes = "application/octet-stream"
	maxName    = 120 // characters of a file's name
)

// contentType decides what a file is said to be: by its first bytes, and by what
// was told only as far as that says more and contradicts nothing. Nothing is
// ever said to be what a browser executes.
func contentType(head []byte, told string) string {
	seen := http.DetectContentType(head)
	base := mediaType(seen)
	if executable(base) {
		return plainBytes
	}
	told = mediaType(told)
	kind, _, _ := strings.Cut(told, "/")
	switch {
	case told == "" || told == base || executable(told):
		return seen
	case base == "text/plain" && !slices.Contains([]string{"image", "audio", "video"}, kind),
		base == plainBytes, base == "application/zip", base == "application/x-gzip":
		return told
	}
	return seen
}

// innerType is the type of a piece from the middle of a file, where there is
// nothing to sniff: what was told, as far as no browser executes it.
func innerType(told string) string {
	if told = mediaType(told); told == "" || executable(told) {
		return plainBytes
	}
	return told
}

// mediaType is the type without parameters, empty for what is none.
func mediaType(value string) string {
	base, _, err := mime.ParseMediaType(value)
	if err != nil || !strings.Contains(base, "/") {
		return ""
	}
	return base
}

// executable reports what may run as a page or a part of one.
func executable(base string) bool {
	switch base {
	case "text/html", "text/xml", "application/xml", "text/css", "multipart/x-mixed-replace":
		return true
	}
	return strings.HasSuffix(base, "+xml") || strings.Contains(base, "script") || strings.Contains(base, "wasm")
}

// endings are what files without a name are given. The system's own table differs
// between machines.
var endings = map[string]string{
	"image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp",
	"video/mp4": ".mp4", "video/webm": ".webm", "audio/mpeg": ".mp3", "audio/ogg": ".ogg", "application/ogg": ".ogg",
	"audio/mp4": ".m4a", "application/pdf": ".pdf", "application/zip": ".zip", "text/plain": ".txt", "text/csv": ".csv",
}

// nameFor is the name to save a file under, made of its type when it has none.
func nameFor(name, kind string) string {
	if name = fileName(name); name != "" {
		return name
	}
	return "file" + endings[mediaType(kind)]
}

// disposition makes a browser save the file under its name.
func disposition(name string) string {
	return mime.FormatMediaType("attachment", map[string]string{"filename": name})
}

// fileName makes a name safe to save under: without a folder, and without
// characters that are not seen or turn the order of others (so that "exe" could
// be read as another ending). Its end is kept when it is too long.
func fileName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r == '/' || r == '\\' || r == ':':
			return '_'
		case !unicode.IsGraphic(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, valid(name))
	name = strings.Trim(name, " .")
	if uniseg.GraphemeClusterCount(name) <= maxName {
		return name
	}
	ending := path.Ext(name)
	if len(ending) > maxName/4 {
		ending = ""
	}
	return splitText(name, maxName-len(ending), connectors.Characters)[0] + ending
}

// outName is what an agent's file is called for the customer: the form's second
// field when it looks like a name, else the address' last part when that does.
// A network's id of a file is no name.
func outName(field, address string) string {
	if ending := path.Ext(field); len(ending) > 1 && len(ending) <= 8 {
		return fileName(field)
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if base := path.Base(u.Path); len(path.Ext(base)) > 1 && len(path.Ext(base)) <= 8 {
		return fileName(base)
	}
	return ""
}
