package gateway

import (
	"regexp"
	"slices"
	"strings"

	"servicelink/connectors"
)

// templateMark is how a line begins by which an agent sends one of the network's
// templates: "[[template:{id}|{name}={value}|...]]", all of the sentence. White
// space around the line, and around its members, says nothing. In a value "\|",
// "\]" and "\\" stand for the character behind the backslash.
const templateMark = "[[template:"

// templateName is what an id and a variable's name may be.
var templateName = regexp.MustCompile(`^[A-Za-z0-9_:.-]{1,128}$`)

// What is wrong with a template, as the agent reads it.
const (
	wrongTemplateAlone    = "a template has to be all of the message, on one line"
	wrongTemplateEnd      = "the template's line does not end with ]]"
	wrongTemplateBracket  = `the template's line goes on behind ]]; in a value write \]`
	wrongTemplateID       = "the template's id is missing or cannot be one"
	wrongTemplateVariable = `a variable of the template is not written as name=value; in a value write \| for |`
	wrongTemplateTwice    = "a variable of the template is there twice"
	noTemplates           = "this network has no templates"
)

// readTemplate finds the template of a sentence. wrong tells why one that is
// meant to be there cannot be sent; without either there is none.
func readTemplate(text string) (t *connectors.Template, wrong string) {
	if !strings.Contains(text, templateMark) {
		return nil, ""
	}
	lines := strings.FieldsFunc(strings.TrimSpace(text), func(r rune) bool { return r == '\n' || r == '\r' })
	meant := func(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), templateMark) }
	switch {
	case !slices.ContainsFunc(lines, meant):
		return nil, "" // it is spoken of
	case len(lines) > 1:
		return nil, wrongTemplateAlone
	}
	members, wrong := templateMembers(lines[0][len(templateMark):])
	if wrong != "" {
		return nil, wrong
	}
	return makeTemplate(members)
}

// wrongTemplate tells why a sentence that is meant to be a template is not sent.
// Its markup is nothing for a customer's eyes.
func wrongTemplate(text string, caps connectors.Capabilities) string {
	t, wrong := readTemplate(text)
	if !caps.Templates && (t != nil || wrong != "") {
		return noTemplates
	}
	return wrong
}

// templateMembers splits what is between the mark and "]]" at every "|". The
// escapes are still in it.
func templateMembers(line string) (members []string, wrong string) {
	from := 0
	for at := 0; at < len(line); at++ {
		switch {
		case escape(line[at:]):
			at++
		case line[at] == '|':
			members = append(members, line[from:at])
			from = at + 1
		case strings.HasPrefix(line[at:], "]]"):
			if at+2 < len(line) {
				return nil, wrongTemplateBracket
			}
			return append(members, line[from:at]), ""
		}
	}
	return nil, wrongTemplateEnd
}

// escape tells whether s begins with one.
func escape(s string) bool {
	return len(s) > 1 && s[0] == '\\' && (s[1] == '\\' || s[1] == '|' || s[1] == ']')
}

func makeTemplate(members []string) (t *connectors.Template, wrong string) {
	t = &connectors.Template{ID: strings.TrimSpace(members[0])}
	if !templateName.MatchString(t.ID) {
		return nil, wrongTemplateID
	}
	for _, m := range members[1:] {
		name, value, ok := strings.Cut(m, "=")
		name = strings.TrimSpace(name)
		if !ok || !templateName.MatchString(name) {
			return nil, wrongTemplateVariable
		}
		if _, twice := t.Variables[name]; twice {
			return nil, wrongTemplateTwice
		}
		if t.Variables == nil {
			t.Variables = make(map[string]string)
		}
		t.Variables[name] = unescape(strings.TrimSpace(value))
	}
	return t, ""
}

func unescape(value string) string {
	if !strings.Contains(value, `\`) {
		return value
	}
	var out strings.Builder
	for at := 0; at < len(value); at++ {
		if escape(value[at:]) {
			at++
		}
		out.WriteByte(value[at])
	}
	return out.String()
}
