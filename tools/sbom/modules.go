package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	classifier "github.com/google/licenseclassifier/v2"
)

// program is one file of the release.
type program struct {
	name, sum string // sum is its SHA-256 in hex
}

// module is something the programs were linked from.
type module struct {
	path, version string
	dir           string // where its source is
	licenses      []string
	texts         []licenseText
}

type licenseText struct{ file, text string }

// standardLibrary is the module of what comes with Go.
const standardLibrary = "std"

// readPrograms gives the programs and, in order of their paths, the modules
// they were built from.
func readPrograms(paths []string) ([]program, []*module, error) {
	var programs []program
	found := map[string]*module{}
	for _, path := range paths {
		content, err := os.ReadFile(path) //nolint:gosec // the caller's wish
		if err != nil {
			return nil, nil, err
		}
		sum := sha256.Sum256(content)
		programs = append(programs, program{filepath.Base(path), hex.EncodeToString(sum[:])})
		info, err := buildinfo.Read(bytes.NewReader(content))
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		if info.GoVersion != runtime.Version() {
			return nil, nil, fmt.Errorf("%s was built by %s, and %s is here", path, info.GoVersion, runtime.Version())
		}
		found[standardLibrary] = &module{path: standardLibrary, version: strings.TrimPrefix(info.GoVersion, "go")}
		for _, dep := range info.Deps {
			if dep.Replace != nil {
				return nil, nil, fmt.Errorf("%s: %s is replaced, so its version says nothing", path, dep.Path)
			}
			found[dep.Path] = &module{path: dep.Path, version: dep.Version}
		}
	}
	var modules []*module
	for _, m := range found {
		modules = append(modules, m)
	}
	slices.SortFunc(modules, func(a, b *module) int { return cmp.Compare(a.path, b.path) })
	return programs, modules, nil
}

// locate finds where each module's source is.
func locate(ctx context.Context, source string, modules []*module) error {
	args := []string{"list", "-m", "-json"}
	for _, m := range modules {
		if m.path != standardLibrary {
			args = append(args, m.path)
		}
	}
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir, command.Stderr = source, os.Stderr
	out, err := command.Output()
	if err != nil {
		return fmt.Errorf("go list -m: %w", err)
	}
	dirs := map[string]string{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var m struct{ Path, Version, Dir string }
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("go list -m: %w", err)
		}
		dirs[m.Path+"@"+m.Version] = m.Dir
	}
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("go env: %w", err)
	}
	for _, m := range modules {
		m.dir = dirs[m.path+"@"+m.version]
		if m.path == standardLibrary {
			m.dir = strings.TrimSpace(string(root))
		}
		if m.dir == "" {
			return fmt.Errorf("the source of %s %s is not here: go mod download", m.path, m.version)
		}
	}
	return nil
}

// licenseFile is how files with licences and notices are called.
var licenseFile = regexp.MustCompile(`(?i)^((.*-)?LICEN[CS]E|COPYING|NOTICE|COPYRIGHT|PATENTS)(-[a-z0-9_-]+)?(\.(txt|md))?$`)

// thirdParty is how collections of others' notices are called. They belong to
// what is handed on, and also tell of what a module's tests and tools use, so
// they say nothing about what is linked.
var thirdParty = regexp.MustCompile(`(?i)(3rd|third)[-_]?party`)

// fit are the licences a release may contain, by their SPDX names: permissive
// ones, whose terms the text of the licence in the release fulfils.
var fit = []string{"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "blessing"}

// certain is how much of a licence's text must be found.
const certain = 0.9

// license reads the module's licences.
func (m *module) license(c *classifier.Classifier) error {
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() || !licenseFile.MatchString(entry.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.dir, entry.Name()))
		if err != nil {
			return err
		}
		m.texts = append(m.texts, licenseText{entry.Name(), string(text)})
		if thirdParty.MatchString(entry.Name()) {
			continue
		}
		for _, match := range c.Match(text).Matches {
			if match.MatchType == "License" && match.Confidence >= certain && !slices.Contains(m.licenses, match.Name) {
				m.licenses = append(m.licenses, match.Name)
			}
		}
		if strings.HasPrefix(string(text), "SQLite Is Public Domain") {
			m.licenses = append(m.licenses, "blessing") // as SPDX calls it
		}
	}
	slices.Sort(m.licenses)
	if len(m.licenses) == 0 {
		return fmt.Errorf("%s %s: no licence is recognized", m.path, m.version)
	}
	for _, name := range m.licenses {
		if !slices.Contains(fit, name) {
			return fmt.Errorf("%s %s: licence %s is not among those a release may contain", m.path, m.version, name)
		}
	}
	return nil
}
