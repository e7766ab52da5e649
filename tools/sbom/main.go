// Command sbom writes what a release consists of: a CycloneDX list of the
// modules its programs are linked from, and the texts of their licences.
//
//	sbom -name N -version V -time UNIX -source DIR -bom FILE -licenses FILE PROGRAM...
//
// The modules are those the programs say themselves they were built from, so
// nothing is listed that is not in them. DIR is the module the programs were
// built in. The same programs give the same files. A module without a licence,
// or with one that is not on the list of those that are fit for a release, is an
// error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/google/licenseclassifier/v2/assets"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	name, version, source string
	bom, licenses         string
	time                  int64
	programs              []string
}

func parseFlags(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("sbom", flag.ContinueOnError)
	flags.StringVar(&o.name, "name", "", "of what is released")
	flags.StringVar(&o.version, "version", "", "of what is released")
	flags.StringVar(&o.source, "source", ".", "`folder` of the module the programs were built in")
	flags.StringVar(&o.bom, "bom", "", "`file` for the list of modules")
	flags.StringVar(&o.licenses, "licenses", "", "`file` for the licences")
	flags.Int64Var(&o.time, "time", 0, "when it was made, seconds of Unix time")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.programs = flags.Args()
	if o.name == "" || o.version == "" || o.bom == "" || o.licenses == "" || len(o.programs) == 0 {
		return o, errors.New("-name, -version, -bom, -licenses and a program are needed")
	}
	return o, nil
}

func run(ctx context.Context, args []string) error {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	programs, modules, err := readPrograms(o.programs)
	if err != nil {
		return err
	}
	if err := locate(ctx, o.source, modules); err != nil {
		return err
	}
	classifier, err := assets.DefaultClassifier()
	if err != nil {
		return err
	}
	for _, m := range modules {
		if err := m.license(classifier); err != nil {
			return err
		}
	}
	made := time.Unix(o.time, 0).UTC()
	return errors.Join(
		save(o.bom, func(w io.Writer) error { return writeBOM(w, o, made, programs, modules) }),
		save(o.licenses, func(w io.Writer) error { return writeLicenses(w, modules) }))
}

func save(path string, write func(io.Writer) error) error {
	file, err := os.Create(path) //nolint:gosec // the caller's wish
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}
