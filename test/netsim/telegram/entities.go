package telegram

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of text (https://core.telegram.org/bots/api#sendmessage).
const (
	maxText     = 4096    // UTF-16 units after the entities were parsed
	maxCaption  = 1024    // likewise
	maxTextSent = 1 << 15 // bytes before that
)

// utf16Len is how many UTF-16 units s has.
func utf16Len(s string) int {
	n := 0
	for _, r := range s {
		if r > 0xffff {
			n++
		}
		n++
	}
	return n
}

// formatted reads a text with its parse_mode or its list of entities.
func formatted(p params, field, list string) (string, []entity, error) {
	text := p.values[field]
	switch {
	case len(text) > maxTextSent:
		return "", nil, badRequest("text is too long")
	case !utf8.ValidString(text):
		return "", nil, badRequest("strings must be encoded in UTF-8")
	}
	var (
		out      string
		entities []entity
		err      error
	)
	switch mode := strings.ToLower(p.values["parse_mode"]); mode {
	case "", "none":
		out = text
		if p.decode(list, &entities) != nil {
			return "", nil, badRequest("can't parse entities JSON object")
		}
	case "html":
		out, entities, err = parseHTML(text)
	case "markdown":
		out, entities, err = parseMarkdown(text)
	case "markdownv2":
		out, entities, err = parseMarkdownV2(text)
	default:
		return "", nil, badRequest("unsupported parse_mode")
	}
	if err != nil {
		return "", nil, err
	}
	out, entities = trimmed(out, entities)
	return out, entities, nil
}

// parseError is an error of a parse_mode.
func parseError(format string, args ...any) error {
	return badRequest("can't parse entities: "+format, args...)
}

// trimmed drops space around the text and entities that are not inside it.
func trimmed(text string, entities []entity) (string, []entity) {
	right := strings.TrimRight(text, " \t\r\n")
	out := strings.TrimLeft(right, " \t\r\n")
	shift, length := utf16Len(right)-utf16Len(out), utf16Len(out)
	var kept []entity
	for _, e := range entities {
		start, end := max(e.Offset-shift, 0), min(e.Offset-shift+e.Length, length)
		if e.Offset >= 0 && start < end {
			e.Offset, e.Length = start, end-start
			kept = append(kept, e)
		}
	}
	slices.SortStableFunc(kept, func(a, b entity) int {
		if a.Offset != b.Offset {
			return a.Offset - b.Offset
		}
		return b.Length - a.Length
	})
	return out, kept
}

// builder puts a text without its marks together.
type builder struct {
	text     strings.Builder
	units    int
	entities []entity
	open     []opened
}

// opened is an entity whose end was not seen yet.
type opened struct {
	entity
	mark string // what opened it
	at   int    // byte offset of that
}

func (b *builder) write(s string) {
	b.text.WriteString(s)
	b.units += utf16Len(s)
}

func (b *builder) begin(kind, mark string, at int) {
	b.open = append(b.open, opened{entity{Type: kind, Offset: b.units}, mark, at})
}

// top is the innermost open entity.
func (b *builder) top() *opened {
	if len(b.open) == 0 {
		return &opened{}
	}
	return &b.open[len(b.open)-1]
}

// end closes the innermost entity.
func (b *builder) end() {
	e := b.top().entity
	b.open = b.open[:len(b.open)-1]
	if e.Length = b.units - e.Offset; e.Length > 0 && e.Type != "" {
		b.entities = append(b.entities, e)
	}
}

// result lists outer entities before inner ones, which end first.
func (b *builder) result() (string, []entity, error) {
	slices.Reverse(b.entities)
	return b.text.String(), b.entities, nil
}
