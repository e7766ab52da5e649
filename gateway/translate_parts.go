package gateway

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"servicelink/connectors"
)

// buttonLine is how an agent writes a button: one "[[text|payload]]" a line at
// the end of the sentence; the payload may be left out.
var buttonLine = regexp.MustCompile(`^\[\[(\s*[^|\]\s][^|\]]*)(?:\|([^\]]*))?\]\]$`)

// splitButtons takes the button lines off the end of a sentence. Blank lines
// among and after them say nothing.
func splitButtons(text string) (string, []connectors.Button) {
	lines := strings.Split(text, "\n")
	var buttons []connectors.Button
	last := len(lines)
	for ; last > 0; last-- {
		line := strings.TrimSpace(lines[last-1])
		if line == "" {
			continue
		}
		m := buttonLine.FindStringSubmatch(line)
		if m == nil {
			break
		}
		title := strings.TrimSpace(m[1])
		buttons = append(buttons, connectors.Button{Text: title, ID: cmp.Or(m[2], title)})
	}
	if len(buttons) == 0 {
		return text, nil
	}
	slices.Reverse(buttons)
	return strings.TrimRight(strings.Join(lines[:last], "\n"), "\r\n"), buttons
}

// What the agent is told once when a network cannot show it.
const (
	changedButtons = "buttons were written as text"
	changedFiles   = "files were written as their addresses"
	changedReply   = "a reply was written as a plain message"
)

// toParts splits a sentence into what the network can carry. The result is
// the same for the same text and capabilities, so that a retry after a restart
// goes on with the same parts. changed tells what had to be written otherwise.
func toParts(id, text string, to connectors.Address, caps connectors.Capabilities) (parts []connectors.Part, changed []string) {
	if t, _ := readTemplate(text); t != nil {
		return []connectors.Part{{ID: partID(id, 0), To: to, Template: t}}, nil
	}
	replyTo, body := splitReply(text) // Gateway.quote makes it the network's id
	body, buttons := splitButtons(body)
	if len(buttons) > 0 && (caps.Buttons == 0 || len(buttons) > caps.Buttons || tooLong(buttons, caps)) {
		body, buttons = strings.TrimLeft(body+listed(buttons), "\n"), nil
		changed = append(changed, changedButtons)
	}
	blocks, files := splitFiles(body)
	if files > 0 && !caps.Files {
		blocks = []block{{text: addresses(blocks)}}
		changed = append(changed, changedFiles)
	}
	if replyTo != "" && !caps.Replies {
		replyTo = ""
		changed = append(changed, changedReply)
	}
	for _, b := range blocks {
		parts = appendBlock(parts, b, caps)
	}
	for i := range parts {
		parts[i].ID, parts[i].To = partID(id, i), to
	}
	parts[0].ReplyTo = replyTo
	parts[len(parts)-1].Buttons = buttons
	return parts, changed
}

// appendBlock adds a file, or a text: beside the file before it when it fits
// there whole, as parts of its own otherwise.
func appendBlock(parts []connectors.Part, b block, caps connectors.Capabilities) []connectors.Part {
	if b.file != nil {
		return append(parts, connectors.Part{File: b.file})
	}
	if last := len(parts) - 1; last >= 0 && parts[last].File != nil && units(b.text, caps.TextUnit) <= caps.Caption {
		parts[last].Text = b.text
		return parts
	}
	for _, t := range splitText(b.text, caps.TextLimit, caps.TextUnit) {
		parts = append(parts, connectors.Part{Text: t})
	}
	return parts
}

// replyLine is how an agent answers one message of the customer: the first line
// of the sentence names it, by the event's ID or by the network's
// (connectors.MaxNetworkID).
var replyLine = regexp.MustCompile(`^\[\[reply:([^\[\]\s]{1,512})\]\]$`)

// splitReply takes the reply line off the beginning of a sentence.
func splitReply(text string) (replyTo, body string) {
	line, rest, _ := strings.Cut(text, "\n")
	m := replyLine.FindStringSubmatch(strings.TrimSpace(line))
	if m == nil {
		return "", text
	}
	return m[1], rest
}

// fileLine is how a file is written, both ways: alone on its line, as
// "file:{type}|{id or name}|{address}".
var fileLine = regexp.MustCompile(`^file:([^|]*)\|([^|]*)\|(https?://[^\s|]+)$`)

// maxFileLine is in bytes: room for the longest link of ours.
const maxFileLine = 8 << 10

// maxFiles bounds what one sentence can make a network do. Further files are
// text.
const maxFiles = 20

// block is a file of a sentence, or the text before, between or after files.
type block struct {
	text string
	file *connectors.OutFile
}

// splitFiles finds the file lines of a text. A text without any comes back as it
// is; around files blank lines say nothing.
func splitFiles(body string) (blocks []block, files int) {
	var text []string
	flush := func() {
		if t := strings.Trim(strings.Join(text, "\n"), "\r\n"); strings.TrimSpace(t) != "" {
			blocks = append(blocks, block{text: t})
		}
		text = nil
	}
	for line := range strings.SplitSeq(body, "\n") {
		file := readFileLine(line)
		if file == nil || files == maxFiles {
			text = append(text, line)
			continue
		}
		flush()
		files++
		blocks = append(blocks, block{file: file})
	}
	if files == 0 {
		return []block{{text: body}}, 0
	}
	flush()
	return blocks, files
}

func readFileLine(line string) *connectors.OutFile {
	if line = strings.TrimSpace(line); !strings.HasPrefix(line, "file:") || len(line) > maxFileLine {
		return nil
	}
	m := fileLine.FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	u, err := url.Parse(m[3])
	if err != nil || u.Hostname() == "" || u.User != nil {
		return nil
	}
	return &connectors.OutFile{Type: strings.TrimSpace(m[1]), Name: outName(m[2], m[3]), URL: m[3]}
}

// addresses is how files look on a network that takes none.
func addresses(blocks []block) string {
	lines := make([]string, len(blocks))
	for i, b := range blocks {
		lines[i] = b.text
		if b.file != nil {
			lines[i] = b.file.URL
		}
	}
	return strings.Join(lines, "\n")
}

// listed is how buttons look on a network that has none.
func listed(buttons []connectors.Button) string {
	var list strings.Builder
	for _, b := range buttons {
		list.WriteString("\n- " + b.Text)
	}
	return list.String()
}

func tooLong(buttons []connectors.Button, caps connectors.Capabilities) bool {
	for _, b := range buttons {
		if caps.ButtonTitle > 0 && utf8.RuneCountInString(b.Text) > caps.ButtonTitle ||
			caps.ButtonPayload > 0 && len(b.ID) > caps.ButtonPayload {
			return true
		}
	}
	return false
}

func partID(id string, i int) string {
	if i == 0 {
		return id
	}
	return id + "#" + strconv.Itoa(i+1)
}
