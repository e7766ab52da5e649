package telegram

import (
	"strconv"
	"strings"
)

// htmlTags are the tags of the mode HTML; the empty kind is the plain span.
var htmlTags = map[string]string{
	"b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
	"s": "strikethrough", "strike": "strikethrough", "del": "strikethrough",
	"span": "spoiler", "tg-spoiler": "spoiler", "a": "text_link", "code": "code", "pre": "pre",
	"blockquote": "blockquote", "tg-emoji": "custom_emoji",
}

// parseHTML parses the mode HTML.
func parseHTML(text string) (string, []entity, error) {
	b := &builder{}
	for i := 0; i < len(text); {
		switch text[i] {
		case '&':
			r, n := htmlEntity(text[i:])
			b.write(r)
			i += n
		case '<':
			n, err := b.tag(text, i)
			if err != nil {
				return "", nil, err
			}
			i = n
		default:
			n := strings.IndexAny(text[i:], "&<")
			if n < 0 {
				n = len(text) - i
			}
			b.write(text[i : i+n])
			i += n
		}
	}
	if len(b.open) > 0 {
		return "", nil, parseError("Can't find end tag corresponding to start tag %q", b.top().mark)
	}
	return b.result()
}

// tag reads the tag that begins at i and returns where it ends.
func (b *builder) tag(text string, i int) (int, error) {
	if strings.HasPrefix(text[i:], "</") {
		return b.endTag(text, i)
	}
	end := strings.IndexByte(text[i:], '>')
	if end < 0 {
		return 0, parseError("Unclosed start tag at byte offset %d", i)
	}
	inside := text[i+1 : i+end]
	name, attributes, _ := strings.Cut(strings.ReplaceAll(inside, "\n", " "), " ")
	name = strings.ToLower(name)
	kind, ok := htmlTags[name]
	if !ok {
		return 0, parseError("Unsupported start tag %q at byte offset %d", name, i)
	}
	if name == "span" && !strings.Contains(attributes, "tg-spoiler") {
		return 0, parseError("Tag \"span\" must have class \"tg-spoiler\" at byte offset %d", i)
	}
	b.begin(kind, name, i)
	if name == "a" {
		if b.top().URL = attribute(attributes, "href"); b.top().URL == "" {
			b.top().Type = "" // a link to nowhere is text
		}
	}
	if class := attribute(attributes, "class"); name == "code" && strings.HasPrefix(class, "language-") {
		b.top().Language = strings.TrimPrefix(class, "language-")
	}
	return i + end + 1, nil
}

func (b *builder) endTag(text string, i int) (int, error) {
	end := strings.IndexByte(text[i:], '>')
	if end < 0 {
		return 0, parseError("Unclosed end tag at byte offset %d", i)
	}
	name := strings.ToLower(strings.TrimSpace(text[i+2 : i+end]))
	if len(b.open) == 0 {
		return 0, parseError("Unexpected end tag at byte offset %d", i)
	}
	if mark := b.top().mark; name != "" && name != mark {
		return 0, parseError("Unmatched end tag at byte offset %d, expected \"</%s>\", found \"</%s>\"", i, mark, name)
	}
	b.end()
	return i + end + 1, nil
}

// attribute finds name="value" among attributes.
func attribute(attributes, name string) string {
	_, rest, found := strings.Cut(attributes, name+"=")
	if !found || rest == "" {
		return ""
	}
	if quote := rest[:1]; quote == `"` || quote == "'" {
		value, _, _ := strings.Cut(rest[1:], quote)
		return value
	}
	value, _, _ := strings.Cut(rest, " ")
	return value
}

// htmlEntity decodes what s begins with; what is no entity stays as it is.
func htmlEntity(s string) (string, int) {
	for name, char := range map[string]string{"&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": `"`} {
		if strings.HasPrefix(s, name) {
			return char, len(name)
		}
	}
	end := strings.IndexByte(s[:min(len(s), 12)], ';')
	if end < 3 || s[1] != '#' {
		return "&", 1
	}
	digits, base := s[2:end], 10
	if digits[0] == 'x' || digits[0] == 'X' {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(digits, base, 21)
	if err != nil || n == 0 || n > 0x10ffff {
		return "&", 1
	}
	return string(rune(n)), end + 1
}
