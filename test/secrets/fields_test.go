package secrets

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// attrMakers are the functions of slog whose first argument is a key.
var attrMakers = map[string]bool{
	"String": true, "Int": true, "Int64": true, "Uint64": true, "Float64": true, "Bool": true, "Time": true, "Duration": true, "Any": true, "Group": true,
}

// loggers are the methods that take keys and values by turns, after so many
// arguments.
var loggers = map[string]int{"Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "With": 0, "DebugContext": 2, "InfoContext": 2, "WarnContext": 2, "ErrorContext": 2}

// fieldsUsed are the keys of every log call in the product, and where.
func fieldsUsed(t *testing.T) map[string]string {
	t.Helper()
	used := map[string]string{}
	files := 0
	for _, dir := range []string{"config", "connectors", "gateway", "internal", "simprot", "cmd/servicelink"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				switch d.Name() {
				case "testdata", "refcore", "examples", "connectortest", "journaltest":
					return fs.SkipDir
				}
				return nil
			}
			if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			files++
			ast.Inspect(file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					for _, key := range keysOf(call) {
						used[key] = set.Position(call.Pos()).String()
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 100 {
		t.Fatalf("only %d files", files)
	}
	return used
}

// keysOf are the keys one call writes out.
func keysOf(call *ast.CallExpr) (keys []string) {
	fun, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	if pkg, ok := fun.X.(*ast.Ident); ok && pkg.Name == "slog" && attrMakers[fun.Sel.Name] {
		return literals(call.Args[:min(1, len(call.Args))])
	}
	if pkg, ok := fun.X.(*ast.Ident); ok && pkg.Name == "http" {
		return nil // http.Error answers
	}
	from, ok := loggers[fun.Sel.Name]
	if owner, of := fun.X.(*ast.SelectorExpr); of && strings.EqualFold(owner.Sel.Name, "settings") {
		return nil // of config: a warning about a key
	}
	if !ok || len(call.Args) <= from {
		return nil
	}
	for i := from; i < len(call.Args); i += 2 {
		keys = append(keys, literals(call.Args[i:i+1])...)
	}
	return keys
}

func literals(args []ast.Expr) (texts []string) {
	for _, a := range args {
		if lit, ok := a.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				texts = append(texts, text)
			}
		}
	}
	return texts
}

var documented = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|")

// TestLogFieldsAreDocumented: every field the product writes stands in
// docs/logging.md, and no other does.
func TestLogFieldsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/logging.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{"time": true, "level": true, "msg": true} // slog's own
	for name := range told {
		if !strings.Contains(string(text), "\n| `"+name+"` |") {
			t.Errorf("docs/logging.md says nothing of %q", name)
		}
	}
	used := fieldsUsed(t)
	for _, row := range documented.FindAllStringSubmatch(string(text), -1) {
		name := row[1]
		if _, ok := used[name]; !ok && !told[name] {
			t.Errorf("docs/logging.md tells of %q, which nothing writes", name)
		}
		told[name] = true
	}
	for name, where := range used {
		if !told[name] {
			t.Errorf("docs/logging.md does not tell of %q (%s)", name, where)
		}
	}
}

// TestFieldsAreFound: a search that finds nothing proves nothing.
func TestFieldsAreFound(t *testing.T) {
	const source = `package p
func f() {
	log.Info("m", "one", 1, "two", 2)
	log.With("three", 3).LogAttrs(ctx, 0, "m", slog.String("four", x), slog.Any("five", err))
	g.log.WarnContext(ctx, "m", "six", 6)
}`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	ast.Inspect(file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			keys = append(keys, keysOf(call)...)
		}
		return true
	})
	for _, want := range []string{"one", "two", "three", "four", "five", "six"} {
		if !strings.Contains(strings.Join(keys, " "), want) {
			t.Errorf("%q is not among %v", want, keys)
		}
	}
}
