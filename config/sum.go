package config

import (
	"cmp"
	"crypto/sha256"
	"hash"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Sum is a fingerprint of the settings as Decode would read them now: the
// values, with what they name in the environment and in secret files. Where a
// key stands, its order and how it is quoted do not count. It is for telling
// whether a file that was read again says something new, and is not shown.
func (s Settings) Sum() [sha256.Size]byte {
	h := sha256.New()
	s.src.sum(h, s.node)
	return [sha256.Size]byte(h.Sum(nil))
}

// sum writes a node, each part with its length in front, so that no two nodes
// are written alike.
func (s *source) sum(h hash.Hash, n ast.Node) {
	if isNull(n) {
		word(h, "null")
		return
	}
	if text, ok := scalarText(n); ok {
		word(h, "value")
		word(h, text)
		word(h, s.reference(text))
		return
	}
	if list, ok := n.(*ast.SequenceNode); ok {
		word(h, "list")
		word(h, strconv.Itoa(len(list.Values)))
		for _, value := range list.Values {
			s.sum(h, value)
		}
		return
	}
	pairs, _ := entries(n)
	pairs = slices.SortedStableFunc(slices.Values(pairs), func(a, b *ast.MappingValueNode) int {
		return cmp.Compare(keyText(a), keyText(b))
	})
	word(h, "map")
	word(h, strconv.Itoa(len(pairs)))
	for _, pair := range pairs {
		word(h, keyText(pair))
		s.sum(h, pair.Value)
	}
}

func word(h hash.Hash, text string) {
	h.Write([]byte(strconv.Itoa(len(text)) + ":" + text))
}

// reference is what a text stands for, if its place is a secret's: that is not
// known here, so every text that looks like one is followed.
func (s *source) reference(text string) string {
	if s != nil && s.registered {
		secret, _ := registeredSecret(text, s.secretsDir)
		return secret
	}
	if in, wrong := expand(text); wrong == nil && in.env {
		return in.text
	}
	if path, ok := strings.CutPrefix(text, "file:"); ok {
		secret, _ := readSecret(path)
		return secret
	}
	return ""
}
