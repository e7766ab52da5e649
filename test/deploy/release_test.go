//go:build deploy

package deploy

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// made is what the Makefile has made before it runs these tests: the release in
// RELEASE and the images in IMAGES, both of VERSION.
func made(t *testing.T, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		t.Fatalf("%s is not set: these tests are run by `make deploy`", variable)
	}
	return value
}

var (
	releasedFor = []string{"amd64", "arm64"}
	released    = []string{"refcore", "servicelink", "simprot"}
	// packed is what else an archive has, among others.
	packed = []string{
		"LICENSE", "THIRD-PARTY-LICENSES.txt", "servicelink.cdx.json", "example.yaml", "runbook.md", "compose/compose.yaml",
		"systemd/servicelink.service", "prometheus/servicelink.rules.yml", "grafana/servicelink.json",
	}
)

// unpack opens the archive for one architecture and gives its folder.
func unpack(t *testing.T, arch string) string {
	t.Helper()
	name := "servicelink_" + made(t, "VERSION") + "_linux_" + arch
	dir := t.TempDir()
	must(t, "tar", "--extract", "--gzip", "--directory", dir, "--file", filepath.Join(made(t, "RELEASE"), name+".tar.gz"))
	return filepath.Join(dir, name)
}

// TestReleaseIsReproducible makes the release once more, from a copy of the
// tree, as somebody else somewhere else would.
func TestReleaseIsReproducible(t *testing.T) {
	tree, again := filepath.Join(t.TempDir(), "elsewhere"), t.TempDir()
	copyTree(t, tree)
	c := exec.CommandContext(t.Context(), "bash", "-c", "umask 077; exec deploy/release.sh \"$0\" \"$1\"", made(t, "VERSION"), again)
	c.Dir = tree
	c.Env = append(os.Environ(), "TZ=Asia/Kathmandu", "LC_ALL=C.UTF-8", "GOFLAGS=-ldflags=-X=main.version=other", "SOURCE_DATE_EPOCH="+made(t, "SOURCE_DATE_EPOCH"))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	first, second := sums(t, made(t, "RELEASE")), sums(t, again)
	if len(first) != 2*len(releasedFor) {
		t.Errorf("SHA256SUMS has %d lines: %v", len(first), first)
	}
	for i := range first {
		if i >= len(second) || first[i] != second[i] {
			t.Errorf("made twice:\n%s\n%s", strings.Join(first, "\n"), strings.Join(second, "\n"))
			break
		}
	}
}

// sums verifies SHA256SUMS and gives its lines.
func sums(t *testing.T, folder string) []string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "SHA256SUMS")
	c.Dir = folder
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(folder, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// copyTree copies the source tree without what is made from it.
func copyTree(t *testing.T, to string) {
	t.Helper()
	made := []string{"--exclude=./.git", "--exclude=./bin", "--exclude=./data", "--exclude=node_modules"}
	if err := os.Mkdir(to, 0o700); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "tree.tar")
	must(t, "tar", slices.Concat([]string{"--create", "--file", archive, "--directory", root}, made, []string{"."})...)
	must(t, "tar", "--extract", "--file", archive, "--directory", to)
}

// TestReleasedPrograms: static, for the machine they are named after, with
// their version and nothing of the machine they were made on.
func TestReleasedPrograms(t *testing.T) {
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	for _, arch := range releasedFor {
		dir := unpack(t, arch)
		for _, name := range released {
			content, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			file, err := elf.NewFile(bytes.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			if file.Machine != machines[arch] {
				t.Errorf("%s for %s is for %s", name, arch, file.Machine)
			}
			if slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
				t.Errorf("%s for %s is not static", name, arch)
			}
			if bytes.Contains(content, []byte(here+"/")) {
				t.Errorf("%s for %s knows where it was made", name, arch)
			}
		}
		for _, name := range packed {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o644 {
				t.Errorf("%s for %s: %v, %v", name, arch, info, err)
			}
		}
	}
	if out := must(t, filepath.Join(unpack(t, runtime.GOARCH), "servicelink"), "version"); !strings.HasPrefix(out, "servicelink "+made(t, "VERSION")+" ") {
		t.Errorf("it says it is %q", out)
	}
}

// TestReleasedModules: the list names exactly what the programs are linked
// from, each with a licence whose text comes along, and keeps to CycloneDX.
func TestReleasedModules(t *testing.T) {
	bomSchema := bomSchema(t)
	for _, arch := range releasedFor {
		dir := unpack(t, arch)
		text, err := os.ReadFile(filepath.Join(dir, "servicelink.cdx.json"))
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := bomSchema.Validate(document); err != nil {
			t.Error(err)
		}
		var bom struct {
			Components []struct {
				Name, Version, Purl string
				Licenses            []struct{ License struct{ ID string } }
			}
		}
		if err := json.Unmarshal(text, &bom); err != nil {
			t.Fatal(err)
		}
		licenses, err := os.ReadFile(filepath.Join(dir, "THIRD-PARTY-LICENSES.txt"))
		if err != nil {
			t.Fatal(err)
		}
		linked := linkedFrom(t, dir)
		for _, c := range bom.Components {
			if linked[c.Name] != c.Version || c.Purl != "pkg:golang/"+c.Name+"@"+c.Version || len(c.Licenses) == 0 {
				t.Errorf("the list has %+v", c)
			}
			if !strings.Contains(string(licenses), "\n"+c.Name+" "+c.Version+", ") {
				t.Errorf("no text of a licence of %s", c.Name)
			}
			delete(linked, c.Name)
		}
		if len(linked) > 0 {
			t.Errorf("the list lacks %v", linked)
		}
	}
}

// linkedFrom asks the programs themselves.
func linkedFrom(t *testing.T, dir string) map[string]string {
	t.Helper()
	modules := map[string]string{}
	for _, name := range released {
		info, err := buildinfo.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		modules["std"] = strings.TrimPrefix(info.GoVersion, "go")
		for _, m := range info.Deps {
			modules[m.Path] = m.Version
		}
	}
	return modules
}

// bomSchema is CycloneDX's own, from the library that writes the list.
func bomSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	out := must(t, "go", "-C", filepath.Join(root, "tools"), "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go")
	compiler := jsonschema.NewCompiler()
	for name, file := range map[string]string{
		"bom-1.6.schema.json": "bom-1.6.schema.json", "spdx.schema.json": "spdx.schema.json", "jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		content, err := os.Open(filepath.Join(strings.TrimSpace(out), "schema", file))
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(content)
		_ = content.Close()
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource("http://cyclonedx.org/schema/"+name, document); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := compiler.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
