package graph

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"strings"

	"servicelink/test/netsim/control"
)

// What may be known of a customer.
const (
	profileFull    = "full"
	profileName    = "name"    // and the id
	profileConsent = "consent" // error 230
	profileHidden  = "hidden"  // error 100/33
)

var profiles = []string{profileFull, profileName, profileConsent, profileHidden}

// picture is every customer's, and every sticker's.
var picture = draw()

func draw() []byte {
	img := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for i := range 64 * 64 {
		img.Set(i%64, i/64, color.NRGBA{R: 0x18, G: 0x77, B: 0xf2, A: 0xff})
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// node answers for one object: a page, a message, a customer, or whose token it is.
func (c *call) node() (control.Answer, error) {
	id := c.PathValue("node")
	if id == "me" && c.token.kind == kindUser {
		return c.answerFields("User", "id,name", map[string]any{"id": "10" + c.token.app.id, "name": "Page Administrator"})
	}
	if c.token.kind == kindApp && id == c.token.app.id {
		return c.answerFields("Application", "id,name", map[string]any{"id": id, "name": "App " + id})
	}
	if c.token.kind != kindPage {
		return control.Answer{}, missing(c.Method, id)
	}
	p := c.token.page
	if id == "me" || id == p.Account.Account {
		return c.answerFields("Page", "id,name", map[string]any{
			"id": p.Account.Account, "name": p.Name, "access_token": p.Token, "category": "Shopping & retail", "username": "page" + p.Account.Account,
			"link": "https://www.facebook.com/" + p.Account.Account,
		})
	}
	if m := p.byID[id]; m != nil {
		return c.message(m)
	}
	if who := p.people[control.ID(id)]; who != nil {
		return c.person(p, who)
	}
	return control.Answer{}, missing(c.Method, id)
}

// answerFields answers with the fields that are asked for, or with the usual ones. A
// field that is known and empty is left out, one with nil is not known.
func (c *call) answerFields(node, usual string, all map[string]any) (control.Answer, error) {
	wanted := fieldNames(c.params.text("fields"))
	if len(wanted) == 0 {
		wanted = fieldNames(usual)
	}
	answer := map[string]any{"id": all["id"]}
	for _, field := range wanted {
		value, known := all[field]
		switch {
		case !known:
			return control.Answer{}, fault100("Tried accessing nonexisting field (%s) on node type (%s)", field, node)
		case value != "" && value != nil:
			answer[field] = value
		}
	}
	return reply(http.StatusOK, answer), nil
}

// fieldNames reads a list such as "id,attachments{id,name}"; what is asked of a field
// is left out, all of it is told.
func fieldNames(s string) []string {
	deep := 0
	outer := strings.Map(func(r rune) rune {
		switch r {
		case '{':
			deep++
		case '}':
			deep--
			return -1
		}
		if deep > 0 {
			return -1
		}
		return r
	}, s)
	return split(outer)
}

// person tells a customer's profile, as far as that is allowed
// (https://developers.facebook.com/docs/messenger-platform/identity/user-profile).
func (c *call) person(p *page, who *person) (control.Answer, error) {
	if err := c.token.may(scopeMessaging); err != nil {
		return control.Answer{}, err
	}
	known := who.profile
	if known == "" {
		known = c.s.settings.Profile
	}
	switch known {
	case profileConsent:
		return control.Answer{}, coded(230, 0)
	case profileHidden:
		return control.Answer{}, missing(c.Method, string(who.id))
	}
	all := map[string]any{
		"id": who.id, "name": who.name(), "first_name": "", "last_name": "", "profile_pic": "", "locale": "", "timezone": "", "gender": "",
	}
	if known == profileFull {
		all["first_name"], all["last_name"], all["locale"] = who.first, who.last, who.language
		all["profile_pic"] = c.s.linkTo(c.s.pictureOf(p))
	}
	return c.answerFields("User", "first_name,last_name,profile_pic,id", all)
}

// pictureOf is the picture that the page's customers share.
func (s *Server) pictureOf(p *page) *file {
	const name = "profile.png"
	if f := s.fileWith(func(f *file) bool { return f.page == p && f.Name == name && f.kind == "image" }); f != nil {
		return f
	}
	return s.keepFile(p, control.File{Name: name, Type: "image/png", Data: picture}, false)
}

// message tells a message, with links to its files that are fresh
// (https://developers.facebook.com/docs/graph-api/reference/message).
func (c *call) message(m *message) (control.Answer, error) {
	if err := c.token.may(scopeMessaging); err != nil {
		return control.Answer{}, err
	}
	if m.deleted {
		return control.Answer{}, missing(c.Method, m.mid)
	}
	page := map[string]any{"id": m.page.Account.Account, "name": m.page.Name}
	who := map[string]any{"id": m.chat, "name": m.page.people[m.chat].name()}
	from, to := who, page
	if m.mine {
		from, to = page, who
	}
	files := []map[string]any{}
	for _, f := range m.files {
		files = append(files, c.s.describe(f))
	}
	all := map[string]any{
		"id": m.mid, "created_time": m.created.UTC().Format("2006-01-02T15:04:05-0700"), "message": m.text, "from": from,
		"to": map[string]any{"data": []any{to}}, "attachments": nil,
	}
	if len(files) > 0 {
		all["attachments"] = map[string]any{"data": files}
	}
	return c.answerFields("Message", "id,created_time", all)
}

// describe is a file as the API tells it.
func (s *Server) describe(f *file) map[string]any {
	v := map[string]any{"id": f.id, "mime_type": f.Type, "name": f.Name, "size": f.Size}
	switch link := s.linkTo(f); f.kind {
	case "image", "sticker":
		v["image_data"] = map[string]any{"width": 64, "height": 64, "max_width": 64, "max_height": 64, "url": link, "preview_url": link}
	case "video":
		v["video_data"] = map[string]any{"width": 640, "height": 480, "length": 1, "video_type": 1, "url": link, "preview_url": link}
	default:
		v["file_url"] = link
	}
	return v
}
