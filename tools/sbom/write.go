package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
)

// writeBOM writes CycloneDX 1.6 as JSON. Its serial number is made of what it
// lists: the same release has the same one.
func writeBOM(w io.Writer, o options, made time.Time, programs []program, modules []*module) error {
	self := cdx.Component{
		BOMRef: "release", Type: cdx.ComponentTypeApplication, Name: o.name, Version: o.version,
		Licenses: licenses([]string{"Apache-2.0"}),
	}
	var files []cdx.Component
	identity := []string{o.name, o.version}
	for _, p := range programs {
		files = append(files, cdx.Component{
			BOMRef: "file:" + p.name, Type: cdx.ComponentTypeFile, Name: p.name,
			Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: p.sum}},
		})
		identity = append(identity, p.sum)
	}
	self.Components = &files
	var components []cdx.Component
	var refs []string
	for _, m := range modules {
		c := m.component()
		components = append(components, c)
		refs = append(refs, c.BOMRef)
	}
	bom := cdx.NewBOM()
	bom.SerialNumber = uuid.NewSHA1(uuid.NameSpaceURL, []byte(strings.Join(identity, "\n"))).URN()
	bom.Metadata = &cdx.Metadata{Timestamp: made.Format(time.RFC3339), Component: &self}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: self.BOMRef, Dependencies: &refs}}
	return cdx.NewBOMEncoder(w, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6)
}

func (m *module) component() cdx.Component {
	purl := "pkg:golang/" + m.path + "@" + m.version
	return cdx.Component{
		BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: m.path, Version: m.version,
		PackageURL: purl, Licenses: licenses(m.licenses),
	}
}

func licenses(names []string) *cdx.Licenses {
	var all cdx.Licenses
	for _, name := range names {
		all = append(all, cdx.LicenseChoice{License: &cdx.License{ID: name}})
	}
	return &all
}

// writeLicenses writes a list of the modules with their licences, then every
// text.
func writeLicenses(w io.Writer, modules []*module) error {
	var b strings.Builder
	b.WriteString("The programs of this release contain the following software, under these licences.\n\n")
	for _, m := range modules {
		fmt.Fprintf(&b, "%s %s: %s\n", m.path, m.version, strings.Join(m.licenses, ", "))
	}
	for _, m := range modules {
		for _, t := range m.texts {
			fmt.Fprintf(&b, "\n%s\n%s %s, %s\n%s\n\n%s\n", strings.Repeat("=", 78), m.path, m.version, t.file,
				strings.Repeat("=", 78), strings.TrimSpace(t.text))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
