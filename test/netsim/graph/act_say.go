package graph

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"servicelink/test/netsim/control"
)

// thumb is the sticker that everybody has.
const thumb = 369239263222822

func (cu *customer) text() (control.ID, error) {
	if err := cu.worded(); err != nil {
		return "", err
	}
	return cu.say(map[string]any{"text": cu.Text}, control.Message{Kind: "text", Text: cu.Text})
}

func (cu *customer) worded() error {
	if strings.TrimSpace(cu.Text) == "" || !utf8.ValidString(cu.Text) {
		return fmt.Errorf("%w: text is empty or no UTF-8", control.ErrAction)
	}
	return nil
}

// reply answers a message of either side.
func (cu *customer) reply() (control.ID, error) {
	to, err := cu.meant()
	if err != nil {
		return "", err
	}
	if err := cu.worded(); err != nil {
		return "", err
	}
	return cu.say(map[string]any{"text": cu.Text, "reply_to": map[string]string{"mid": to.mid}},
		control.Message{Kind: "text", Text: cu.Text, ReplyTo: control.ID(to.mid)})
}

// file sends a file.
func (cu *customer) file() (control.ID, error) {
	if cu.File == nil || len(cu.File.Data) == 0 {
		return "", fmt.Errorf("%w: file is missing or empty", control.ErrAction)
	}
	f := *cu.File
	if f.Name = path.Base("/" + f.Name); f.Name == "/" {
		f.Name = cu.Do
	}
	usual := map[string]string{"photo": "image/jpeg", "document": "application/octet-stream", "audio": "audio/mpeg", "voice": "audio/mp4", "video": "video/mp4"}[cu.Do]
	kind, _, _ := strings.Cut(usual, "/")
	if f.Type = typeOf(f); cu.Do != "document" && !strings.HasPrefix(f.Type, kind+"/") {
		f.Type = usual
	}
	kept := cu.s.keepFile(cu.p, f, false)
	if cu.Do == "document" {
		kept.kind = "file"
	}
	id, err := cu.say(map[string]any{}, control.Message{Kind: cu.Do, File: kept.shown()}, kept)
	if err == nil && cu.Caption != "" {
		cu.Text = cu.Caption
		_, err = cu.text()
	}
	return id, err
}

// sticker sends one; Data is its id.
func (cu *customer) sticker() (control.ID, error) {
	id := int64(thumb)
	if cu.Data != "" {
		var err error
		if id, err = strconv.ParseInt(cu.Data, 10, 64); err != nil || id <= 0 {
			return "", fmt.Errorf("%w: data is a sticker's id", control.ErrAction)
		}
	}
	kept := cu.s.keepFile(cu.p, control.File{Name: "sticker.png", Type: "image/png", Data: picture}, false)
	kept.kind, kept.sticker = "sticker", id
	return cu.say(map[string]any{}, control.Message{Kind: "sticker", File: kept.shown()}, kept)
}

// location sends a place: as a point, or, as newer apps do, as a link with a title.
func (cu *customer) location() (control.ID, error) {
	if cu.Lat < -90 || cu.Lat > 90 || cu.Lon < -180 || cu.Lon > 180 {
		return "", fmt.Errorf("%w: no such place", control.ErrAction)
	}
	title := cu.Name
	if title == "" {
		title = cu.who.first + "'s Location"
	}
	point := strconv.FormatFloat(cu.Lat, 'f', -1, 64) + ", " + strconv.FormatFloat(cu.Lon, 'f', -1, 64)
	link := "https://l.facebook.com/l.php?u=" + url.QueryEscape("https://www.bing.com/maps/default.aspx?where1="+url.QueryEscape(point))
	a := map[string]any{"type": "location", "title": title, "url": link, "payload": map[string]any{
		"coordinates": map[string]float64{"lat": cu.Lat, "long": cu.Lon},
	}}
	if cu.Data == "fallback" {
		a = map[string]any{"type": "fallback", "payload": map[string]string{"url": link, "title": title}}
	}
	return cu.say(map[string]any{"attachments": []any{a}},
		control.Message{Kind: "location", Location: &control.Location{Lat: cu.Lat, Lon: cu.Lon, Title: cu.Name}})
}

// share sends a link, which comes with what it leads to.
func (cu *customer) share() (control.ID, error) {
	if !isURL(cu.Text) {
		return "", fmt.Errorf("%w: text is a URL", control.ErrAction)
	}
	a := map[string]any{"type": "fallback", "payload": map[string]string{"url": cu.Text, "title": cu.Name}}
	return cu.say(map[string]any{"text": cu.Text, "attachments": []any{a}}, control.Message{Kind: "text", Text: cu.Text})
}

// unsupported says something that apps are not told.
func (cu *customer) unsupported() (control.ID, error) {
	return cu.say(map[string]any{"is_unsupported": true}, control.Message{Kind: "service", Text: "(something apps are not told)"})
}

// press presses a quick reply or a button, known by its payload, below Message or,
// where that is empty, below the latest message that has it.
func (cu *customer) press() (control.ID, error) {
	for _, m := range slices.Backward(cu.p.messages) {
		if m.chat != cu.who.id || m.out == nil || cu.Message != "" && string(cu.Message) != m.mid {
			continue
		}
		for _, list := range append(slices.Clone(m.out.buttons), m.out.quick) {
			for _, b := range list {
				if b.payload == cu.Data && b.url == "" {
					return cu.pressed(b)
				}
			}
		}
	}
	return "", fmt.Errorf("%w: no such button", control.ErrAction)
}

func (cu *customer) pressed(b choice) (control.ID, error) {
	if b.quick {
		return cu.say(map[string]any{"text": b.title, "quick_reply": map[string]string{"payload": b.payload}},
			control.Message{Kind: "text", Text: b.title})
	}
	return cu.postback(b.title, map[string]any{"title": b.title, "payload": b.payload})
}

// postback brings a press and shows it as the app does, as words of the customer.
func (cu *customer) postback(title string, v map[string]any) (control.ID, error) {
	m := &message{mid: cu.s.mid(), page: cu.p, chat: cu.who.id, created: cu.now, text: title}
	err := cu.s.show(m, cu.who, control.Message{From: control.FromCustomer, Kind: "text", Text: title, State: control.StateSending})
	if err != nil {
		return "", err
	}
	if err := cu.wrote(m); err != nil {
		return "", err
	}
	v["mid"] = m.mid
	n := cu.news(kindPostback, "messaging_postbacks", "postback", v)
	n.shows = control.ID(m.mid)
	cu.s.emit(cu.p, cu.who, n)
	return n.shows, nil
}

// start presses Get Started; Data is the ref of the m.me link that led there.
func (cu *customer) start() (control.ID, error) {
	v := map[string]any{"title": "Get Started", "payload": "GET_STARTED"}
	if cu.Data != "" {
		v["referral"] = referral(cu.Data)
	}
	return cu.postback("Get Started", v)
}

func referral(ref string) map[string]string {
	return map[string]string{"ref": ref, "source": "SHORTLINK", "type": "OPEN_THREAD"}
}

// referral opens the conversation by an m.me link.
func (cu *customer) referral() (control.ID, error) {
	if cu.Data == "" {
		return "", fmt.Errorf("%w: data is the ref", control.ErrAction)
	}
	cu.who.wrote = cu.now
	v := map[string]any{}
	for name, value := range referral(cu.Data) {
		v[name] = value
	}
	cu.s.emit(cu.p, cu.who, cu.news(kindReferral, "messaging_referrals", "referral", v))
	return "", nil
}

// optin agrees by a plugin of the page's web site.
func (cu *customer) optin() (control.ID, error) {
	cu.s.emit(cu.p, cu.who, cu.news(kindOptin, "messaging_optins", "optin", map[string]any{"ref": cu.Data}))
	return "", nil
}
