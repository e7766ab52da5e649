package email

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"servicelink/config"
	"servicelink/connectors"
)

// dropSettings are those of a DropFolder.
type dropSettings struct {
	mailSettings
	Path string `yaml:"Path,required"`
	// Recipients are addresses, or "@domain"; empty = every mail is this gateway's.
	Recipients []string `yaml:"Recipients"`
	Subfolders bool     `yaml:"Subfolders"`
	// Pattern is of the files' names: * and ? as in a shell.
	Pattern string        `yaml:"Pattern"`
	Poll    time.Duration `yaml:"Poll"`
	// DoneFolder and FailedFolder lie below Path and are made.
	DoneFolder   string `yaml:"DoneFolder"`
	FailedFolder string `yaml:"FailedFolder"`
}

// dropFolder is a folder of files that are mails. The place of a mail is the name,
// below Path, that its file has while it is worked on.
type dropFolder struct {
	*intake[string]
	s       dropSettings
	below   string // the folder that Path must not lead out of; empty = Path itself
	working string // the end of a file's name while it is worked on
	warn    func(msg string, args ...any)

	looked map[string]sight // by name; of the files that are not taken yet
	rest   rest
}

var (
	_ connectors.Device    = (*dropFolder)(nil)
	_ connectors.Runner    = (*dropFolder)(nil)
	_ connectors.Settler   = (*dropFolder)(nil)
	_ connectors.Exclusive = (*dropFolder)(nil)
	_ connectors.Doctor    = (*dropFolder)(nil)
)

func newDropFolder(ch config.Channel, deps connectors.Dependencies) (connectors.Device, error) {
	s := dropSettings{
		mailSettings: defaultMail(), Pattern: "*.eml", Poll: 5 * time.Second, DoneFolder: "done", FailedFolder: "failed",
	}
	f := decode(ch, &s)
	f.mail(s.mailSettings)
	f.duration("Poll", s.Poll, maxPoll)
	d := &dropFolder{s: s, looked: map[string]sight{}, warn: deps.Log.Warn}
	f.dropPath(ch.Gateway, d)
	f.dropNames(s)
	if f.err != nil {
		return nil, f.err
	}
	d.s.Path = filepath.Clean(s.Path)
	d.working = "." + ch.Gateway.ID[:8] + ".working"
	for i, r := range s.Recipients {
		d.s.Recipients[i] = strings.ToLower(r)
	}
	d.intake = newIntake[string](s.mailSettings, deps)
	return d, nil
}

// dropPath checks where the folder is. The core's gateways have one below drop_dir.
func (f *findings) dropPath(g *config.Gateway, d *dropFolder) {
	switch {
	case d.s.Path == "":
	case !filepath.IsAbs(d.s.Path):
		f.problem("Path", "is not an absolute path", "")
	case !g.Registered:
	case g.DropDir == "":
		f.problem("Path", "is refused: this gateway lends the core no folder", "messages.drop_dir of the gateway's configuration has to name the folder below which such paths may lie")
	default:
		rest, err := filepath.Rel(g.DropDir, d.s.Path)
		if err != nil || !filepath.IsLocal(rest) {
			f.problem("Path", "is not below the folder that this gateway lends the core", "see messages.drop_dir of the gateway's configuration")
		}
		d.below = filepath.Clean(g.DropDir)
	}
}

func (f *findings) dropNames(s dropSettings) {
	if _, err := path.Match(s.Pattern, "x"); err != nil || s.Pattern == "" || strings.ContainsAny(s.Pattern, `/\`) {
		f.problem("Pattern", "is not a pattern of file names", `such as "*.eml"`)
	}
	for key, name := range map[string]string{"DoneFolder": s.DoneFolder, "FailedFolder": s.FailedFolder} {
		if !filepath.IsLocal(name) || filepath.Clean(name) == "." {
			f.problem(key, "is not the name of a folder below Path", `such as "done"`)
		}
	}
	if filepath.Clean(s.DoneFolder) == filepath.Clean(s.FailedFolder) {
		f.problem("FailedFolder", "is the same as DoneFolder", "")
	}
	for i, r := range s.Recipients {
		if !isAddress(r) && !isAddress("x"+r) {
			f.problem("Recipients["+strconv.Itoa(i)+"]", "is neither a mail address nor @ and a domain", "such as support@example.org or @example.org")
		}
	}
}

// Capabilities implements connectors.Device.
func (d *dropFolder) Capabilities() connectors.Capabilities { return capabilities() }

// Exclusive implements connectors.Exclusive: several gateways may share a folder, each
// with recipients of its own.
func (d *dropFolder) Exclusive() string {
	recipients := slices.Sorted(slices.Values(d.s.Recipients))
	return "drop|" + d.s.Path + "|" + strings.Join(recipients, ",")
}

// Run implements connectors.Runner.
func (d *dropFolder) Run(ctx context.Context, in connectors.Inbox) error {
	root, err := d.open()
	if err != nil {
		return dropFailure(err)
	}
	defer func() { _ = root.Close() }() // it was only read
	for _, folder := range []string{d.s.DoneFolder, d.s.FailedFolder} {
		if err := root.MkdirAll(folder, 0o750); err != nil {
			return dropFailure(err)
		}
	}
	for {
		more, err := d.round(ctx, root, in)
		if err != nil {
			return dropFailure(err)
		}
		if err := d.wait(ctx, root, more); err != nil {
			return dropFailure(err)
		}
	}
}

// open opens the folder so that nothing in it leads out of it, be it a link that is
// put there later.
func (d *dropFolder) open() (*os.Root, error) {
	if d.below == "" {
		return os.OpenRoot(d.s.Path)
	}
	outer, err := os.OpenRoot(d.below)
	if err != nil {
		return nil, err
	}
	defer func() { _ = outer.Close() }() // it was only read
	rest, err := filepath.Rel(d.below, d.s.Path)
	if err != nil {
		return nil, err
	}
	return outer.OpenRoot(rest)
}

// wait waits for the next look, or, where more lies there than there was room for,
// until something is settled; what is settled meanwhile is moved.
func (d *dropFolder) wait(ctx context.Context, root *os.Root, more bool) error {
	timer := time.NewTimer(max(d.s.Poll, d.rest.last))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return nil
		case <-d.news:
			if err := d.mark(root); err != nil || more && d.rest.last == 0 {
				return err
			}
		case <-ctx.Done():
			return stopped()
		}
	}
}
