package gateway

import (
	"encoding/json"
	"errors"
	"html"
	"strings"
	"unicode/utf8"

	"servicelink/connectors"
	"servicelink/simprot"
)

// cutProblem stands in MessageFields.Problem of a message whose body is cut here.
const cutProblem = "The text is longer than what is passed on here. The original message has all of it."

// The ends of bodies that are cut.
const (
	cutTextEnd = "\n\n[" + cutProblem + "]"
	cutHTMLEnd = "<p>[" + cutProblem + "]</p>"
)

// cutBody bounds a body, in bytes; what is cut says so at its end.
func cutBody(body string, limit int, isHTML bool) (short string, cut bool) {
	if len(body) <= limit {
		return body, false
	}
	end := cutTextEnd
	if isHTML {
		end = cutHTMLEnd
	}
	n := max(0, limit-len(end))
	for n > 0 && !utf8.RuneStart(body[n]) {
		n--
	}
	body = body[:n]
	if tag := strings.LastIndexByte(body, '<'); isHTML && tag >= 0 && !strings.Contains(body[tag:], ">") {
		body = body[:tag] // no half of a tag
	}
	return body + end, true
}

// minFrameBody is below what a body is not cut any more to fit a frame.
const minFrameBody = 256

// writeMessage writes a message to the core, with the links of its files behind both
// bodies, shorter where it is above the core's MaxFrame.
func writeMessage(s *simprot.Session, info *simprot.MessageContentInfo) error {
	for limit := connectors.MaxBody; ; limit /= 2 {
		whole := finished(info, limit)
		err := s.Send(simprot.CodeMessageIn, whole, nil)
		if !errors.Is(err, simprot.ErrFrameTooLong) || limit <= minFrameBody {
			return err
		}
	}
}

// finished is a message as it is written: bodies of at most limit bytes, the links of
// its files included.
func finished(info *simprot.MessageContentInfo, limit int) *simprot.MessageContentInfo {
	whole := *info
	var fields simprot.MessageFields
	if info.ExtendedFields != "" {
		_ = json.Unmarshal([]byte(info.ExtendedFields), &fields) // it was written here; else there are no links
	}
	var cutText, cutHTML bool
	if info.BodyText != "" || info.BodyHtml == "" {
		links := textLinks(fields.Files, limit/2)
		whole.BodyText, cutText = cutBody(info.BodyText, limit-len(links), false)
		whole.BodyText += links
	}
	if info.BodyHtml != "" {
		links := htmlLinks(fields.Files, limit/2)
		whole.BodyHtml, cutHTML = cutBody(info.BodyHtml, limit-len(links), true)
		whole.BodyHtml += links
	}
	if (cutText || cutHTML) && fields.Problem == "" {
		fields.Problem = cutProblem
		whole.ExtendedFields = fieldsText(&fields)
	}
	return &whole
}

// textLinks lists files at the end of a text, the message as it came last.
func textLinks(files []simprot.FileFields, limit int) string {
	return listLinks(files, limit, "\n\nFiles:\n", "", func(f simprot.FileFields) string {
		if f.URL == "" {
			return "- " + fileWords(f) + " (there is no link to it)\n"
		}
		return "- " + fileWords(f) + ": " + f.URL + "\n"
	})
}

// htmlLinks is textLinks for HTML. What a stranger wrote is escaped.
func htmlLinks(files []simprot.FileFields, limit int) string {
	return listLinks(files, limit, "<hr><p>Files:</p><ul>", "</ul>", func(f simprot.FileFields) string {
		line := html.EscapeString(fileWords(f))
		if f.URL == "" {
			return "<li>" + line + " (there is no link to it)</li>"
		}
		return `<li><a href="` + html.EscapeString(f.URL) + `">` + line + "</a></li>"
	})
}

// listLinks joins the lines of files within a limit. What does not fit is said; the last
// one, which has everything, is never left out for others.
func listLinks(files []simprot.FileFields, limit int, head, tail string, line func(simprot.FileFields) string) string {
	if len(files) == 0 {
		return ""
	}
	last := line(files[len(files)-1])
	room := limit - len(head) - len(tail) - len(last)
	var b strings.Builder
	b.WriteString(head)
	for _, f := range files[:len(files)-1] {
		one := line(f)
		if len(one) > room {
			continue
		}
		room -= len(one)
		b.WriteString(one)
	}
	b.WriteString(last)
	b.WriteString(tail)
	return b.String()
}

// fileWords names a file for people.
func fileWords(f simprot.FileFields) string {
	name := fileName(f.Name)
	if f.Original {
		name = "The message as it came"
	}
	if name == "" {
		name = "file"
	}
	if size := sizeText(f.Size); size != "" {
		return name + " (" + size + ")"
	}
	return name
}
