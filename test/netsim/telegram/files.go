package telegram

import (
	"bytes"
	"fmt"
	"image"
	_ "image/gif"  // the formats photos come in
	_ "image/jpeg" // likewise
	_ "image/png"  // likewise
	"mime"
	"net/http"
	"path"
	"time"

	"servicelink/test/netsim/control"
)

// Limits of files (https://core.telegram.org/bots/api#sending-files).
const (
	maxDownload = 20 << 20 // by getFile
	maxPhoto    = 10 << 20
	maxByURL    = 20 << 20
	maxPhotoURL = 5 << 20
	// maxFileBytes is what is kept for one bot; the oldest files go first.
	maxFileBytes = 128 << 20
)

// media is a kind of file; its text is the member of Message and the parameter.
type media string

const (
	mediaPhoto     media = "photo"
	mediaDocument  media = "document"
	mediaAudio     media = "audio"
	mediaVoice     media = "voice"
	mediaVideo     media = "video"
	mediaVideoNote media = "video_note"
	mediaAnimation media = "animation"
	mediaSticker   media = "sticker"
)

// facts of a kind: its folder and usual extension in file paths.
var facts = map[media]struct{ folder, extension, noun string }{
	mediaPhoto:     {"photos", ".jpg", "photo"},
	mediaDocument:  {"documents", ".bin", "document"},
	mediaAudio:     {"music", ".mp3", "audio"},
	mediaVoice:     {"voice", ".oga", "voice"},
	mediaVideo:     {"videos", ".mp4", "video"},
	mediaVideoNote: {"video_notes", ".mp4", "video note"},
	mediaAnimation: {"animations", ".mp4", "animation"},
	mediaSticker:   {"stickers", ".webp", "sticker"},
}

// file is one file, of either side.
type file struct {
	id, unique, path string
	kind             media
	name, mime       string
	size             int64 // may be more than there is of data
	data             []byte
	width, height    int
	made             time.Time
	emoji            string
	small            *file // of a photo
}

// files are what a bot can refer to.
type files struct {
	byID     map[string]*file
	order    []*file
	bytes    int
	count    int
	profiles map[int64]*file // by user
}

// addFile keeps a new file. size 0 is that of data.
func (b *bot) addFile(kind media, name, mimeType string, data []byte, size int64) *file {
	if mimeType == "" || mimeType == "application/octet-stream" {
		mimeType = guessType(name, data)
	}
	f := &file{
		id: "AgAC" + b.net.randomID(36), unique: "AQAD" + b.net.randomID(9), kind: kind,
		name: name, mime: mimeType, size: max(size, int64(len(data))), data: data,
		width: 640, height: 480, made: time.Now(),
	}
	if config, _, err := image.DecodeConfig(bytes.NewReader(data)); err == nil {
		f.width, f.height = config.Width, config.Height
	}
	b.files.count++
	extension := path.Ext(name)
	if extension == "" || kind == mediaPhoto {
		extension = facts[kind].extension
	}
	f.path = fmt.Sprintf("%s/file_%d%s", facts[kind].folder, b.files.count, extension)
	if kind == mediaPhoto {
		small := *f
		small.id, small.unique = "AgAC"+b.net.randomID(36), "AQAD"+b.net.randomID(9)
		small.width, small.height = min(f.width, 90), min(f.height, 90)
		small.size = min(f.size, int64(len(data)))
		b.files.count++
		small.path = fmt.Sprintf("photos/file_%d.jpg", b.files.count)
		b.files.keep(&small)
		f.small = &small
	}
	b.files.keep(f)
	return f
}

func (fs *files) keep(f *file) {
	fs.byID[f.id] = f
	fs.order = append(fs.order, f)
	for fs.bytes += len(f.data); fs.bytes > maxFileBytes && len(fs.order) > 1; fs.order = fs.order[1:] {
		delete(fs.byID, fs.order[0].id)
		fs.bytes -= len(fs.order[0].data)
	}
}

// at finds a file by its file_path.
func (fs *files) at(path string) *file {
	for _, f := range fs.order {
		if f.path == path && f.size <= maxDownload {
			return f
		}
	}
	return nil
}

func guessType(name string, data []byte) string {
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		return kind
	}
	return http.DetectContentType(data)
}

// sizes is a photo as PhotoSizes, ascending.
func (fs *files) sizes(f *file) []fileJSON {
	list := []fileJSON{}
	for _, s := range []*file{f.small, f} {
		if s != nil {
			list = append(list, fileJSON{FileID: s.id, FileUniqueID: s.unique, FileSize: s.size, Width: s.width, Height: s.height})
		}
	}
	return list
}

// attach puts the file into the members of m that its kind fills.
func (m *message) attach(fs *files, f *file) {
	one := &fileJSON{FileID: f.id, FileUniqueID: f.unique, FileSize: f.size}
	named := *one
	named.FileName, named.MimeType = f.name, f.mime
	zero, no := new(int), new(bool)
	switch f.kind {
	case mediaPhoto:
		m.Photo = fs.sizes(f)
	case mediaDocument:
		m.Document = &named
	case mediaAudio:
		named.Duration = zero
		m.Audio = &named
	case mediaVoice:
		one.Duration, one.MimeType = zero, f.mime
		m.Voice = one
	case mediaVideo, mediaAnimation:
		document := named
		named.Duration, named.Width, named.Height = zero, f.width, f.height
		if f.kind == mediaVideo {
			m.Video = &named
			return
		}
		m.Animation, m.Document = &named, &document // as the API has it
	case mediaVideoNote:
		one.Duration, one.Length = zero, 240
		m.VideoNote = one
	case mediaSticker:
		one.Type, one.Width, one.Height, one.IsAnimated, one.IsVideo = "regular", 512, 512, no, no
		one.Emoji, one.SetName = f.emoji, "simulated"
		m.Sticker = one
	}
}

func (c *call) getFile() (any, error) {
	id := c.values["file_id"]
	f := c.bot.files.byID[id]
	switch {
	case id == "":
		return nil, badRequest("file_id not specified")
	case f == nil:
		return nil, badRequest("wrong file_id or the file is temporarily unavailable")
	case f.size > maxDownload:
		return nil, badRequest("file is too big")
	}
	return map[string]any{"file_id": f.id, "file_unique_id": f.unique, "file_size": f.size, "file_path": f.path}, nil
}

// pageFile is where a page finds the file.
func (b *bot) pageFile(f *file) *control.File {
	return &control.File{
		Name: f.name, Type: f.mime, Size: f.size,
		URL: fmt.Sprintf("/control/telegram/file/%d/%s", b.self.ID, f.unique),
	}
}
