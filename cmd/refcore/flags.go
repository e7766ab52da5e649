package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"

	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// secretVariable gives the secret without showing it in the process list.
const secretVariable = "REFCORE_SECRET" //nolint:gosec // a name, no credential

// options are the command line.
type options struct {
	listen, http string
	cert, key    string // files of the certificate for gateways; empty: plain TCP
	store        string // path of the SQLite file; empty: memory
	gateways     string // file of the register of message gateways; empty: as the store has it
	version      bool
	core         refcore.Options
}

// parseFlags says on stderr what is wrong.
func parseFlags(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	var level slog.Level
	var encoding string
	flags := flag.NewFlagSet("refcore", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.listen, "listen", "127.0.0.1:18321", "`address` where gateways connect; port 0 chooses one")
	flags.StringVar(&o.http, "http", "127.0.0.1:18380", "`address` of the agent's console and the HTTP interface")
	flags.StringVar(&o.cert, "tls-cert", "", "`file` of the certificate that gateways see, PEM; empty: plain TCP")
	flags.StringVar(&o.key, "tls-key", "", "`file` of its key, PEM")
	flags.StringVar(&o.core.Account, "account", "servicelink", "`name` gateways log in with")
	flags.StringVar(&o.core.Secret, "secret", "", "their `secret`; better set "+secretVariable)
	flags.StringVar(&o.core.Peer, "peer", "", "the only `peer` served; empty serves any that logs in")
	flags.Func("port", "a `port` that is known, may be repeated; none knows every port", func(v string) error {
		o.core.Ports = append(o.core.Ports, v)
		return nil
	})
	flags.BoolVar(&o.core.NoLogin, "no-login", false, "expect no SP_LOGIN; needs -peer")
	flags.BoolVar(&o.core.Fences, "fences", true, "announce and keep the fence of ES_CHAT_RESYNC")
	flags.BoolVar(&o.core.Asks, "asks", true, "announce and keep the mirroring of Ask")
	flags.Func("break", "`rule,rule,...` that are not kept; the list is below", func(v string) error {
		broken, err := refcore.ParseRules(v)
		o.core.Break = append(o.core.Break, broken...)
		return err
	})
	flags.StringVar((*string)(&o.core.Unasked), "unasked", string(refcore.UnaskedOne),
		"who gets what nobody asked for: `one` connection of the peer, or all")
	flags.StringVar(&o.store, "store", "", "the SQLite `file` that keeps chats and messages; empty keeps them in memory")
	flags.StringVar(&o.gateways, "gateways", "", "`file` of the message gateways at the start, a JSON list of GatewayInfo; empty: as they were")
	flags.IntVar(&o.core.KeepSentences, "keep-sentences", 0, "in memory, keep at least the last `n` sentences of a chat; 0 keeps all")
	flags.Uint64Var(&o.core.FaultSeed, "fault-seed", 1, "`seed` of the dice of scripted faults")
	flags.StringVar(&encoding, "encoding", "msgpack", "payload `encoding` written: msgpack or json")
	flags.TextVar(&level, "log", slog.LevelInfo, "log `level`: debug, info, warn or error")
	flags.BoolVar(&o.version, "version", false, "print the version and exit")
	flags.Usage = func() { usage(flags) }
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if err := finish(o, flags.Args(), encoding); err != nil {
		fmt.Fprintln(stderr, "refcore:", err)
		return nil, err
	}
	o.core.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	return o, nil
}

// usage lists the flags and the rules that can be broken.
func usage(flags *flag.FlagSet) {
	fmt.Fprintln(flags.Output(), "Usage of refcore:")
	flags.PrintDefaults()
	fmt.Fprintln(flags.Output(), "\nRules of -break, with their numbers in SPEC.md and what the core then does:")
	table := tabwriter.NewWriter(flags.Output(), 0, 0, 2, ' ', 0)
	for _, r := range refcore.Rules() {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", r.Rule, r.Spec, r.Broken)
	}
	_ = table.Flush() // nothing can be done about it
}

// finish checks what single flags cannot.
func finish(o *options, rest []string, encoding string) error {
	if o.version {
		return nil
	}
	if len(rest) > 0 {
		return fmt.Errorf("%q is not a flag", strings.Join(rest, " "))
	}
	if o.cert != "" || o.key != "" {
		pair, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return err
		}
		o.core.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	if o.store != "" && o.core.KeepSentences != 0 {
		return errors.New("-keep-sentences is for a core without -store")
	}
	if o.core.Secret == "" { // not as the flag's default: -help would show it
		o.core.Secret = os.Getenv(secretVariable)
	}
	var err error
	if o.core.Encoding, err = simprot.ParseEncoding(encoding); err != nil {
		return err
	}
	switch err := o.core.Validate(); {
	case errors.Is(err, refcore.ErrNoSecret):
		return fmt.Errorf("there is no default secret: set %s or -secret", secretVariable)
	case errors.Is(err, refcore.ErrNoPeer):
		return errors.New("-no-login needs -peer")
	case errors.Is(err, refcore.ErrUnasked):
		return errors.New("-unasked is one or all")
	default:
		return err
	}
}
