package telegram

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// fetched is what came of an http URL that a bot sent.
type fetched struct {
	upload
	err error
}

// prepare fetches the URLs of a request before the bot's mutex is taken.
func (c *call) prepare() error {
	if !strings.HasPrefix(c.method, "send") {
		return nil
	}
	for _, kind := range mediaOf(c.method) {
		c.prepareURL(kind, c.values[string(kind)])
	}
	if c.method == "sendmediagroup" {
		list, err := c.inputMedia()
		if err != nil {
			return err
		}
		for _, one := range list {
			c.prepareURL(media(one.Type), one.Media)
		}
	}
	return nil
}

// mediaOf is the kind of file a method sends, if it sends one.
func mediaOf(method string) []media {
	for kind := range facts {
		if method == "send"+strings.ReplaceAll(string(kind), "_", "") {
			return []media{kind}
		}
	}
	return nil
}

func isURL(value string) bool {
	lower := strings.ToLower(value[:min(len(value), 8)])
	return strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://")
}

func (c *call) prepareURL(kind media, value string) {
	if !isURL(value) || len(c.byURL) >= 10 {
		return
	}
	if c.byURL == nil {
		c.byURL = map[string]fetched{}
	}
	got, err := c.net.fetchURL(c.ctx, kind, value)
	c.byURL[value] = fetched{got, err}
}

// fetchURL does what the servers of the network do with a URL.
func (n *Network) fetchURL(ctx context.Context, kind media, value string) (upload, error) {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" {
		return upload{}, badRequest("wrong HTTP URL specified")
	}
	failure := badRequest("failed to get HTTP URL content")
	if !n.Settings().FetchURLs {
		return upload{}, failure
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, value, nil)
	if err != nil {
		return upload{}, failure
	}
	answer, err := n.fetch.Do(r)
	if err != nil {
		return upload{}, failure
	}
	defer answer.Body.Close()
	limit := int64(maxByURL)
	if kind == mediaPhoto {
		limit = maxPhotoURL
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	if err != nil || answer.StatusCode != http.StatusOK || len(data) == 0 || int64(len(data)) > limit {
		return upload{}, failure
	}
	kindOfBody, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if !takesType(kind, kindOfBody) {
		return upload{}, badRequest("wrong type of the web page content")
	}
	return upload{path.Base(u.Path), kindOfBody, data}, nil
}

// takesType says which content types a URL may give for a kind: documents are
// taken by URL only in three formats.
func takesType(kind media, contentType string) bool {
	main, _, _ := strings.Cut(contentType, "/")
	switch kind {
	case mediaPhoto, mediaSticker:
		return main == "image"
	case mediaDocument:
		return slices.Contains([]string{"application/pdf", "application/zip", "image/gif"}, contentType)
	case mediaAudio, mediaVoice:
		return main == "audio"
	case mediaAnimation:
		return contentType == "image/gif" || main == "video"
	default:
		return main == "video"
	}
}

// fileOf finds or takes the file that value, a file_id, URL or attach://name,
// stands for; field is the upload's name where value is empty.
func (c *call) fileOf(kind media, value, field string) (*file, error) {
	if name, ok := strings.CutPrefix(value, "attach://"); ok {
		value, field = "", name
	}
	if isURL(value) {
		got := c.byURL[value]
		if got.err != nil {
			return nil, got.err
		}
		return c.takeUpload(kind, got.upload)
	}
	if value != "" {
		f := c.bot.files.byID[value]
		switch {
		case f == nil:
			return nil, errFileID
		case f.kind != kind:
			return nil, badRequest("can't use file of type %s as %s", title(f.kind), title(kind))
		}
		return f, nil
	}
	got, ok := c.files[field]
	if !ok {
		return nil, badRequest("there is no %s in the request", facts[kind].noun)
	}
	return c.takeUpload(kind, got)
}

func title(kind media) string {
	noun := facts[kind].noun
	return strings.ToUpper(noun[:1]) + noun[1:]
}

func (c *call) takeUpload(kind media, got upload) (*file, error) {
	if len(got.data) == 0 {
		return nil, badRequest("file must be non-empty")
	}
	if kind == mediaPhoto {
		switch {
		case len(got.data) > maxPhoto:
			return nil, badRequest("file is too big")
		case !strings.HasPrefix(http.DetectContentType(got.data), "image/"):
			return nil, badRequest("IMAGE_PROCESS_FAILED")
		}
	}
	f := c.bot.addFile(kind, got.name, got.mime, got.data, 0)
	if f.kind == mediaPhoto && (f.width+f.height > 10_000 || f.width > 20*f.height || f.height > 20*f.width) {
		return nil, badRequest("PHOTO_INVALID_DIMENSIONS")
	}
	return f, nil
}

// sendFile is every method that sends one file.
func (c *call) sendFile(kind media) (any, error) {
	caption, entities, err := c.caption(c.params, kind)
	if err != nil {
		return nil, err
	}
	t, err := c.target()
	if err != nil {
		return nil, err
	}
	f, err := c.fileOf(kind, c.values[string(kind)], string(kind))
	if err != nil {
		return nil, err
	}
	if err := c.limit(t.chat, 1); err != nil {
		return nil, err
	}
	m := &message{Caption: caption, CaptionEntities: entities}
	m.attach(&c.bot.files, f)
	return c.post(t, m), nil
}

// caption reads the text beside a file; stickers and video notes have none.
func (c *call) caption(p params, kind media) (string, []entity, error) {
	if kind == mediaSticker || kind == mediaVideoNote {
		return "", nil, nil
	}
	text, entities, err := formatted(p, "caption", "caption_entities")
	if err == nil && utf16Len(text) > maxCaption {
		err = badRequest("message caption is too long")
	}
	return text, entities, err
}

// inputMedia is one entry of sendMediaGroup.
type inputMedia struct {
	Type            string   `json:"type"`
	Media           string   `json:"media"`
	Caption         string   `json:"caption"`
	ParseMode       string   `json:"parse_mode"`
	CaptionEntities []entity `json:"caption_entities"`
}

func (c *call) inputMedia() ([]inputMedia, error) {
	var list []inputMedia
	if !c.has("media") {
		return nil, badRequest("parameter \"media\" is required")
	}
	if c.decode("media", &list) != nil {
		return nil, badRequest("can't parse media JSON object")
	}
	if len(list) < 2 || len(list) > 10 {
		return nil, badRequest("wrong number of media items in the album; expected 2-10 items")
	}
	types := map[string]bool{}
	for _, one := range list {
		if !slices.Contains([]string{"photo", "video", "document", "audio"}, one.Type) {
			return nil, badRequest("can't parse InputMedia: Type must be one of photo, video, document or audio")
		}
		types[one.Type] = true
	}
	if len(types) > 1 && (types["document"] || types["audio"]) {
		return nil, badRequest("document can't be mixed with other media types")
	}
	return list, nil
}

// sendMediaGroup sends an album: all of it or nothing.
func (c *call) sendMediaGroup() (any, error) {
	list, err := c.inputMedia()
	if err != nil {
		return nil, err
	}
	t, err := c.target()
	if err != nil {
		return nil, err
	}
	album := c.net.randomID(8)
	made := make([]*message, len(list))
	for i, one := range list {
		p := params{values: map[string]string{"caption": one.Caption, "parse_mode": one.ParseMode}}
		if len(one.CaptionEntities) > 0 {
			p.values["caption_entities"] = string(encode(one.CaptionEntities))
		}
		text, entities, err := c.caption(p, media(one.Type))
		if err != nil {
			return nil, err
		}
		f, err := c.fileOf(media(one.Type), one.Media, "")
		if err != nil {
			return nil, inAlbum(i, err)
		}
		made[i] = &message{MediaGroupID: album, Caption: text, CaptionEntities: entities}
		made[i].attach(&c.bot.files, f)
	}
	if err := c.limit(t.chat, len(made)); err != nil {
		return nil, err
	}
	t.markup = nil // albums have none
	for i, m := range made {
		made[i] = c.post(t, m)
	}
	return made, nil
}

// inAlbum says which entry an error is about.
func inAlbum(i int, err error) error {
	if e, ok := errors.AsType[*apiError](err); ok {
		text, _ := strings.CutPrefix(e.text, "Bad Request: ")
		return badRequest("failed to send message #%d with the error message \"%s\"", i+1, text)
	}
	return err
}
