package telegram

import "strings"

// reserved are the characters that MarkdownV2 wants escaped where they mark
// nothing.
const reserved = "_*[]()~`>#+-=|{}.!"

// kindNames is what the API's errors call the kinds.
var kindNames = map[string]string{
	"bold": "Bold", "italic": "Italic", "underline": "Underline", "strikethrough": "Strikethrough",
	"spoiler": "Spoiler", "code": "Code", "pre": "Pre", "text_link": "TextUrl", "blockquote": "BlockQuote",
}

// marksV2 are the marks that begin and end with the same letters, longer ones
// first.
var marksV2 = []struct{ mark, kind string }{
	{"__", "underline"},
	{"||", "spoiler"},
	{"_", "italic"},
	{"*", "bold"},
	{"~", "strikethrough"},
	{"```", "pre"},
	{"`", "code"},
}

// parseMarkdownV2 parses the mode MarkdownV2.
func parseMarkdownV2(text string) (string, []entity, error) {
	b := &builder{}
	for i := 0; i < len(text); {
		n, err := b.stepV2(text, i)
		if err != nil {
			return "", nil, err
		}
		i = n
	}
	if b.top().Type == "blockquote" {
		b.end()
	}
	if len(b.open) > 0 {
		return "", nil, parseError("Can't find end of %s entity at byte offset %d", kindNames[b.top().Type], b.top().at)
	}
	return b.result()
}

// stepV2 reads what is at i and returns where the next begins.
func (b *builder) stepV2(text string, i int) (int, error) {
	c, rest := text[i], text[i:]
	if c == '\\' && len(rest) > 1 && rest[1] > 0 && rest[1] < 127 {
		b.write(rest[1:2])
		return i + 2, nil
	}
	if kind := b.top().Type; kind == "code" || kind == "pre" {
		if mark := b.top().mark; strings.HasPrefix(rest, mark) {
			b.end()
			return i + len(mark), nil
		}
		return b.plain(text, i), nil
	}
	if c == '\n' && b.top().Type == "blockquote" && !strings.HasPrefix(rest, "\n>") {
		b.end()
	}
	lineStart := i == 0 || text[i-1] == '\n'
	switch {
	case strings.IndexByte(reserved, c) < 0:
		return b.plain(text, i), nil
	case c == '>' && lineStart:
		if b.top().Type != "blockquote" {
			b.begin("blockquote", ">", i)
		}
		return i + 1, nil
	case c == '!' && strings.HasPrefix(rest, "!["):
		b.begin("text_link", "[", i)
		return i + 2, nil
	case c == '[':
		b.begin("text_link", "[", i)
		return i + 1, nil
	case c == ']' && b.top().mark == "[":
		return b.endLink(text, i)
	}
	for _, m := range marksV2 {
		if !strings.HasPrefix(rest, m.mark) {
			continue
		}
		if b.top().mark == m.mark {
			b.end()
			return i + len(m.mark), nil
		}
		b.begin(m.kind, m.mark, i)
		i += len(m.mark)
		if m.kind == "pre" { // the language stands on the first line
			if line, _, found := strings.Cut(text[i:], "\n"); found && !strings.ContainsAny(line, "` ") {
				b.top().Language = line
				i += len(line) + 1
			}
		}
		return i, nil
	}
	return 0, parseError("Character '%c' is reserved and must be escaped with the preceding '\\'", c)
}

// plain writes the character at i.
func (b *builder) plain(text string, i int) int {
	for n := i + 1; ; n++ {
		if n >= len(text) || text[n]&0xc0 != 0x80 {
			b.write(text[i:n])
			return n
		}
	}
}

// endLink reads "](url)".
func (b *builder) endLink(text string, i int) (int, error) {
	if !strings.HasPrefix(text[i:], "](") {
		b.end()
		return i + 1, nil
	}
	var url strings.Builder
	for n := i + 2; n < len(text); n++ {
		switch {
		case text[n] == '\\' && n+1 < len(text):
			n++
			url.WriteByte(text[n])
		case text[n] == ')':
			b.top().URL = url.String()
			b.end()
			return n + 1, nil
		default:
			url.WriteByte(text[n])
		}
	}
	return 0, parseError("Can't find end of a URL at byte offset %d", i+2)
}

// parseMarkdown parses the former mode Markdown, which nests nothing.
func parseMarkdown(text string) (string, []entity, error) {
	kinds := map[byte]string{'_': "italic", '*': "bold", '`': "code", '[': "text_link"}
	b := &builder{}
	for i := 0; i < len(text); {
		if text[i] == '\\' && i+1 < len(text) && kinds[text[i+1]] != "" {
			b.write(text[i+1 : i+2])
			i += 2
			continue
		}
		kind := kinds[text[i]]
		if kind == "" {
			i = b.plain(text, i)
			continue
		}
		mark := text[i : i+1]
		if strings.HasPrefix(text[i:], "```") {
			mark, kind = "```", "pre"
		}
		closing := mark
		if mark == "[" {
			closing = "]"
		}
		inside, _, found := strings.Cut(text[i+len(mark):], closing)
		if !found {
			return "", nil, parseError("Can't find end of the entity starting at byte offset %d", i)
		}
		b.begin(kind, mark, i)
		b.write(inside)
		i += len(mark) + len(inside) + len(closing)
		if mark == "[" {
			i = b.formerURL(text, i)
		}
		b.end()
	}
	return b.result()
}

// formerURL reads "(url)" behind a link's text; without one it is no link.
func (b *builder) formerURL(text string, i int) int {
	if strings.HasPrefix(text[i:], "(") {
		if url, _, found := strings.Cut(text[i+1:], ")"); found {
			b.top().URL = url
			return i + len(url) + 2
		}
	}
	b.top().Type = ""
	return i
}
