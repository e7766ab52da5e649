package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const module = "servicelink"

// root is the top of the source tree, seen from this package's folder, where
// go test runs it.
const root = "../.."

// sourceFile is one Go file of the tree.
type sourceFile struct {
	name string // from the root, with slashes: "gateway/journal/journal.go"
	ast  *ast.File
	text string
}

func (f sourceFile) dir() string  { return path.Dir(f.name) }
func (f sourceFile) isTest() bool { return strings.HasSuffix(f.name, "_test.go") }

// ours lists what the file imports of this module, without the module's name.
func (f sourceFile) ours() []string {
	var list []string
	for _, spec := range f.ast.Imports {
		p := strings.Trim(spec.Path.Value, `"`)
		if rest, ok := strings.CutPrefix(p, module+"/"); ok {
			list = append(list, rest)
		}
	}
	return list
}

// walk calls fn for every file of the tree that is kept in version control by
// rights: not what the Makefile makes, not version control itself.
func walk(t *testing.T, fn func(name string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if d.IsDir() {
			if name == ".git" || name == "bin" || name == "data" {
				return filepath.SkipDir
			}
			return nil
		}
		fn(name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// goFiles parses every Go file of the module, imports and comments only.
func goFiles(t *testing.T) []sourceFile {
	t.Helper()
	var files []sourceFile
	fset := token.NewFileSet()
	walk(t, func(name string) {
		if path.Ext(name) != ".go" {
			return
		}
		text := read(t, name)
		parsed, err := parser.ParseFile(fset, name, text, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			t.Error(err)
			return
		}
		files = append(files, sourceFile{name: name, ast: parsed, text: text})
	})
	if len(files) == 0 {
		t.Fatal("no Go file found: the test looks in the wrong place")
	}
	return files
}
