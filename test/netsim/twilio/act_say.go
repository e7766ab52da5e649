package twilio

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"servicelink/test/netsim/control"
)

// usual are the fields that all messages have
// (https://www.twilio.com/docs/messaging/guides/webhook-request).
func (cu *customer) usual(m *message) map[string]string {
	from, to := m.ends()
	fields := map[string]string{
		"MessageSid": m.sid, "SmsSid": m.sid, "SmsMessageSid": m.sid, "AccountSid": cu.one.tenant.sid, "From": from, "To": to,
		"Body": "", "NumMedia": strconv.Itoa(len(m.media)), "NumSegments": strconv.Itoa(m.segments), "SmsStatus": statusReceived,
		"ApiVersion": "2010-04-01",
	}
	if m.service != "" {
		fields["MessagingServiceSid"] = m.service
	}
	if cu.n.channel == "sms" {
		places(fields, "From", m.chat)
		places(fields, "To", control.ID(cu.one.Account.Account))
		return fields
	}
	known := map[string]string{"ProfileName": cu.person.name, "WaId": strings.TrimPrefix(string(m.chat), "+")}
	fields["ProfileName"], fields["WaId"], fields["MessageType"] = known["ProfileName"], known["WaId"], "text"
	fields["ReferralNumMedia"] = "0"
	fields["ChannelMetadata"] = string(encode(map[string]any{"type": "whatsapp", "data": map[string]any{"context": known}}))
	return fields
}

// places says where a number is at home, of which Twilio mostly knows the country.
func places(fields map[string]string, end string, of control.ID) {
	country, city, state, zip := "", "", "", ""
	switch n := string(of); {
	case strings.HasPrefix(n, "+420"):
		country = "CZ"
	case strings.HasPrefix(n, "+49"):
		country = "DE"
	case strings.HasPrefix(n, "+1"):
		country, city, state, zip = "US", "SAN FRANCISCO", "CA", "94103"
	}
	fields[end+"Country"], fields[end+"City"], fields[end+"State"], fields[end+"Zip"] = country, city, state, zip
}

func (cu *customer) text() (bool, error) {
	text := cu.Text
	if strings.TrimSpace(text) == "" || !utf8.ValidString(text) {
		return false, fmt.Errorf("%w: text is empty or no UTF-8", control.ErrAction)
	}
	cu.fields["Body"], cu.shown.Kind, cu.shown.Text = text, "text", text
	return true, nil
}

// reply answers a message of either side.
func (cu *customer) reply() (bool, error) {
	m := cu.one.tenant.byID[string(cu.Message)]
	if m == nil || m.one != cu.one || m.chat != cu.Chat {
		return false, fmt.Errorf("message %q: %w", cu.Message, control.ErrUnknown)
	}
	cu.answers(m)
	return cu.text()
}

// answers says which message is answered.
func (cu *customer) answers(m *message) {
	from, _ := m.ends()
	cu.fields["OriginalRepliedMessageSid"], cu.fields["OriginalRepliedMessageSender"] = m.sid, from
	cu.shown.ReplyTo = control.ID(m.sid)
}

// press presses a quick reply, known by its payload, below Message or, where that
// is empty, below the latest message that has it.
func (cu *customer) press() (bool, error) {
	c, err := cu.n.Board.Chat(cu.n.server.life, cu.one.Account.Account, cu.Chat, -1)
	if err != nil {
		return false, err
	}
	for _, with := range slices.Backward(c.Messages) {
		m := cu.one.tenant.byID[string(with.ID)]
		for _, row := range with.Buttons {
			for _, b := range row {
				if m == nil || b.Data != cu.Data || cu.Message != "" && cu.Message != with.ID {
					continue
				}
				cu.answers(m)
				cu.fields["MessageType"], cu.fields["ButtonText"], cu.fields["ButtonPayload"] = "button", b.Text, b.Data
				cu.Text = b.Text
				return cu.text()
			}
		}
	}
	return false, fmt.Errorf("%w: no such button", control.ErrAction)
}

func (cu *customer) location() (bool, error) {
	if cu.Lat < -90 || cu.Lat > 90 || cu.Lon < -180 || cu.Lon > 180 {
		return false, fmt.Errorf("%w: no such place", control.ErrAction)
	}
	cu.fields["MessageType"] = "location"
	cu.fields["Latitude"], cu.fields["Longitude"] = float(cu.Lat), float(cu.Lon)
	if cu.Do == "venue" {
		cu.fields["Label"], cu.fields["Address"] = cu.Name, cu.Action.Text
	}
	cu.shown.Kind, cu.shown.Location = "location", &control.Location{Lat: cu.Lat, Lon: cu.Lon, Title: cu.Name}
	return true, nil
}

func float(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// contact sends a card, which comes as a file.
func (cu *customer) contact() (bool, error) {
	if cu.Phone == "" {
		return false, fmt.Errorf("%w: phone is missing", control.ErrAction)
	}
	escape := strings.NewReplacer(`\`, `\\`, ",", `\,`, ";", `\;`, "\n", `\n`)
	card := "BEGIN:VCARD\r\nVERSION:3.0\r\nN:;" + escape.Replace(cu.Name) + ";;;\r\nFN:" + escape.Replace(cu.Name) +
		"\r\nTEL;type=CELL;waid=" + strings.TrimPrefix(cu.Phone, "+") + ":" + escape.Replace(cu.Phone) + "\r\nEND:VCARD\r\n"
	cu.keep(control.File{Name: "contact.vcf", Type: "text/vcard", Data: []byte(card)})
	cu.fields["MessageType"] = "contacts"
	cu.shown.Kind, cu.shown.File, cu.shown.Contact = "contact", nil, &control.Contact{Name: cu.Name, Phone: cu.Phone}
	return true, nil
}

// fileTypes are the MessageType and the usual MIME type of acts with files.
var fileTypes = map[string][2]string{
	"photo": {"image", "image/jpeg"}, "document": {"document", "application/octet-stream"}, "audio": {"audio", "audio/mpeg"},
	"voice": {"audio", "audio/ogg"}, "video": {"video", "video/mp4"}, "sticker": {"sticker", "image/webp"},
}

// file sends a file. Twilio tells its type, neither name nor size.
func (cu *customer) file() (bool, error) {
	if cu.File == nil || len(cu.File.Data) == 0 {
		return false, fmt.Errorf("%w: file is missing or empty", control.ErrAction)
	}
	f, kind := *cu.File, fileTypes[cu.Do]
	if f.Name = path.Base("/" + f.Name); f.Name == "/" {
		f.Name = cu.Do
	}
	if f.Type = typeOf(f); strings.HasPrefix(f.Type, "application/octet-stream") || cu.Do == "voice" || cu.Do == "sticker" {
		f.Type = kind[1]
	}
	cu.keep(f)
	if cu.n.channel == "whatsapp" {
		cu.fields["MessageType"] = kind[0]
	}
	cu.fields["Body"], cu.shown.Kind, cu.shown.Caption = cu.Caption, cu.Do, cu.Caption
	return true, nil
}

// keep takes a file into the message.
func (cu *customer) keep(f control.File) {
	f.Size = max(f.Size, int64(len(f.Data)))
	kept := &media{sid: cu.n.server.sid("ME"), tenant: cu.one.tenant.sid, one: cu.one, made: cu.now, File: f}
	cu.media = append(cu.media, kept)
	cu.shown.File = &control.File{Name: f.Name, Type: f.Type, Size: f.Size, URL: cu.n.fileURL(cu.one.Account.Account, kept.sid)}
}

// The words that Twilio takes for itself in SMS
// (https://help.twilio.com/articles/223134027).
var (
	stopWords  = strings.Fields("STOP STOPALL UNSUBSCRIBE CANCEL END QUIT REVOKE OPTOUT")
	startWords = strings.Fields("START YES UNSTOP")
	helpWords  = strings.Fields("HELP INFO")
)

// optOut obeys the words.
func (cu *customer) optOut(text string) {
	if cu.n.channel != "sms" {
		return
	}
	word := strings.ToUpper(strings.TrimSpace(text))
	switch {
	case slices.Contains(stopWords, word):
		cu.person.optedOut, cu.fields["OptOutType"] = true, "STOP"
	case slices.Contains(startWords, word) && (cu.person.optedOut || word != "YES"):
		cu.person.optedOut, cu.fields["OptOutType"] = false, "START"
	case slices.Contains(helpWords, word):
		cu.fields["OptOutType"] = "HELP"
	}
}
