package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a file. The YAML library recurses and copies without bounds of its
// own, so what reaches it is bounded here.
const (
	maxFileBytes = 1 << 20
	maxLineBytes = 16 << 10
	maxKeys      = 20_000 // the library's time grows with the square of a map's keys
	maxNesting   = 32     // flow brackets, or block indicators on one line
	maxIndent    = 200    // columns
)

// source is a file while it is decoded, shared by all Settings that came from it.
type source struct {
	file  string
	root  ast.Node
	width []int // characters of each line: no position is beyond them
	// warn takes what is no mistake; nil = nobody listens.
	warn func(Problem)
	// shared: others than its owner can read the file.
	shared bool
	// registered: it is a Device of the core's. What it names as secrets is found
	// below secretsDir.
	registered bool
	secretsDir string
}

// problem makes a Problem at the deepest part of path that the file has. A nil
// source makes one without a position.
func (s *source) problem(path, message, hint string) Problem {
	p := Problem{Path: path, Message: message, Hint: hint}
	if s == nil {
		return p
	}
	p.File = s.file
	if s.root != nil {
		at, _ := locate(s.root, path)
		p.Line, p.Column = at.Line, at.Column
	}
	return s.inside(p)
}

// at makes a Problem at a token.
func (s *source) at(tk *token.Token, path, message, hint string) Problem {
	p := Problem{File: s.file, Path: path, Message: message, Hint: hint}
	if tk != nil {
		p.Line, p.Column = tk.Position.Line, max(tk.Position.Column, 1)
	}
	return s.inside(p)
}

// parseYAML reads one YAML document whose top is a map. It returns nil for a
// document without content. Its error is Problems: the first mistake in the
// syntax, or every use of what is not supported.
func parseYAML(data []byte, src *source) (ast.Node, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	// The library counts the CR LF behind a comment as two line ends.
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	if problem, bad := unreadable(data); bad {
		problem.File = src.file
		return nil, Problems{problem}
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		src.width = append(src.width, utf8.RuneCountInString(line))
	}
	tokens, file, err := parseTokens(string(data), src)
	if err != nil {
		return nil, err
	}
	if len(tokens) == 0 || len(file.Docs) == 0 {
		return nil, nil
	}
	if len(file.Docs) > 1 {
		second := file.Docs[1]
		at := second.Start
		if at == nil && second.Body != nil {
			at = start(second.Body)
		}
		return nil, Problems{src.at(at, "", "there is more than one document", "keep one, without a line of three dashes in between")}
	}
	root := file.Docs[0].Body
	switch root.(type) {
	case nil, *ast.NullNode:
		return nil, nil
	case *ast.MappingNode, *ast.MappingValueNode:
		return root, nil
	default:
		return nil, Problems{src.at(start(root), "", "the top must be a map of keys", "")}
	}
}

// parseTokens runs the library, from which no panic gets out.
func parseTokens(text string, src *source) (tokens token.Tokens, file *ast.File, err error) {
	defer func() {
		if recover() != nil {
			err = Problems{{File: src.file, Message: "cannot be read as YAML"}}
		}
	}()
	tokens = lexer.Tokenize(text)
	if problems := src.refuse(tokens); len(problems) > 0 {
		return nil, nil, problems.Err()
	}
	// Duplicate keys are found by the decoder: all of them, not the first.
	file, err = parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err == nil {
		return tokens, file, nil
	}
	var positioned interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if !errors.As(err, &positioned) {
		return nil, nil, Problems{{File: src.file, Message: "cannot be read as YAML"}}
	}
	message, hint := positioned.GetMessage(), "values with any of : # @ { } [ ] need quotes"
	if strings.Contains(message, "'\t'") {
		message, hint = "a tab cannot begin a value", "indent with spaces"
	}
	return nil, nil, Problems{src.at(positioned.GetToken(), "", "YAML: "+message, hint)}
}

// inside moves a problem back into the text: the position the library gives
// can be a little beyond the end of its line.
func (s *source) inside(p Problem) Problem {
	if p.Line > 0 && len(s.width) > 0 {
		p.Line = min(p.Line, len(s.width))
		p.Column = min(p.Column, s.width[p.Line-1]+1)
	}
	return p
}

// unreadable finds bytes that no YAML file holds.
func unreadable(data []byte) (Problem, bool) {
	number := 0
	for line := range bytes.Lines(data) {
		number++
		at := func(offset int, message, hint string) (Problem, bool) {
			return Problem{Line: number, Column: utf8.RuneCount(line[:offset]) + 1, Message: message, Hint: hint}, true
		}
		if len(line) > maxLineBytes {
			return at(0, fmt.Sprintf("the line is longer than %d KiB", maxLineBytes>>10), "")
		}
		for i := 0; i < len(line); {
			r, size := utf8.DecodeRune(line[i:])
			switch {
			case r == utf8.RuneError && size == 1:
				return at(i, "the file is not UTF-8 here", "save it as UTF-8")
			case r < ' ' && r != '\t' && r != '\n', r == 0x7f:
				return at(i, "there is a control character here", "")
			}
			i += size
		}
	}
	return Problem{}, false
}

// unsupported names the parts of YAML that a configuration has no use for.
// Aliases would also let a small file grow without bounds.
var unsupported = map[token.Type]string{
	token.AnchorType:     "anchors (&name)",
	token.AliasType:      "aliases (*name)",
	token.MergeKeyType:   "merge keys (<<)",
	token.TagType:        "tags (!name)",
	token.DirectiveType:  "directives (%NAME)",
	token.MappingKeyType: "explicit keys (?)",
}

// refuse finds what is not supported, or is nested too deeply, before the
// parser recurses into it.
func (s *source) refuse(tokens token.Tokens) Problems {
	var found Problems
	depth, run, line, keys := 0, 0, 0, 0
	for _, tk := range tokens {
		if name, ok := unsupported[tk.Type]; ok {
			hint := "write the value out"
			if tk.Type == token.TagType || tk.Type == token.AliasType || tk.Type == token.AnchorType {
				hint = "put the value in quotes if it is meant as text"
			}
			found = append(found, s.at(tk, "", name+" are not supported", hint))
		}
		indent := depth == 0 && tk.Position.Line != line
		if indent {
			run, line = 0, tk.Position.Line
		}
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			depth, run = depth+1, 0
		case token.MappingEndType, token.SequenceEndType:
			depth, run = max(depth-1, 0), 0
		case token.CollectEntryType:
			run = 0
		case token.SequenceEntryType:
			run++
		case token.MappingValueType:
			run, keys = run+1, keys+1
		}
		if keys > maxKeys {
			return append(found, s.at(tk, "", fmt.Sprintf("there are more than %d keys", maxKeys), ""))
		}
		if depth > maxNesting || run > maxNesting || indent && tk.Position.Column > maxIndent {
			return append(found, s.at(tk, "", "is nested too deeply", ""))
		}
	}
	return found
}

// start is the first token of a node. The library's own answer for a block map
// is its first colon.
func start(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return start(n.Values[0])
		}
		return n.Start
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	default:
		return n.GetToken()
	}
}

// entries lists the pairs of a map node; ok is false for any other node.
func entries(n ast.Node) (pairs []*ast.MappingValueNode, ok bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	default:
		return nil, false
	}
}

// locate follows a path such as "channels[0].port" as far as the file goes: to
// a scalar's value, else to the key or the list entry that holds the rest.
// complete is false when the file does not have all of it.
func locate(root ast.Node, path string) (at token.Position, complete bool) {
	at = *start(root).Position
	node := root
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		if list, ok := node.(*ast.SequenceNode); ok {
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(list.Values) {
				return at, false
			}
			node = list.Values[i]
			at = *start(node).Position
			continue
		}
		pairs, _ := entries(node)
		i := slices.IndexFunc(pairs, func(pair *ast.MappingValueNode) bool { return keyText(pair) == step })
		if i < 0 {
			return at, false
		}
		node = pairs[i].Value
		at = *pairs[i].Key.GetToken().Position
		if _, scalar := scalarText(node); scalar {
			at = *start(node).Position
		}
	}
	return at, true
}

// keyText is a key as it is written.
func keyText(pair *ast.MappingValueNode) string { return pair.Key.GetToken().Value }
