package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"servicelink/simprot"
	"servicelink/simprot/corecheck"
)

// coreSecretVariable gives the secret without showing it in the process list.
const coreSecretVariable = "CORE_SECRET"

// askedLimit is the time for everything when a person plays the agent.
const askedLimit = 15 * time.Minute

// coreCheckFlags are what cannot stand in a corecheck.Config.
type coreCheckFlags struct {
	encoding, agent              string
	tls                          bool
	ca, cert, key, serverName    string
	askOperator, inJSON, allText bool
}

func newCoreCheck() *cobra.Command {
	var cfg corecheck.Config
	var flags coreCheckFlags
	command := &cobra.Command{
		Use:   "core-check --address HOST:PORT",
		Short: "Play a gateway against a core and report which rules of SPEC.md it keeps",
		Long: "Play a gateway against a core and report which rules of SPEC.md it keeps.\n\n" +
			"Chats are opened, written into and ended again. Use a test system, and a port that no\n" +
			"gateway works: agents see the chats, and the port is taken away from who has it.\n\n" +
			"Of messages (e-mail, SMS) the core's register is asked for, and a few are brought by its\n" +
			"first inbound gateways; no gateway may work them meanwhile. Nothing is sent to anybody.\n\n" +
			"Some rules need an agent: --agent names an HTTP interface like the reference core's\n" +
			"(POST /api/say, /api/read, /api/messages), --ask-me lets you be one. Without both they are\n" +
			"not tested.\n\n" +
			"Exit codes: 0 no rule is broken, 1 one is, 2 wrong usage.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := flags.finish(command, &cfg); err != nil {
				return &failure{exitUsage, fmt.Errorf("servicelink: %w", err)}
			}
			return coreCheck(command, cfg, flags)
		},
	}
	f := command.Flags()
	f.StringVar(&cfg.Address, "address", "", "the core's `HOST:PORT`")
	f.StringVar(&cfg.Account, "account", "servicelink", "the account of the login")
	f.StringVar(&cfg.Secret, "secret", "", "its secret; better set "+coreSecretVariable)
	f.StringVar(&cfg.Peer, "peer", "@servicelink", "how the core names the gateway")
	f.StringVar(&cfg.Port, "port-name", "core-check", "a port that no gateway works")
	f.BoolVar(&cfg.NoLogin, "no-login", false, "the core has no session control")
	f.StringVar(&flags.encoding, "encoding", "msgpack", "payload encoding written: msgpack or json; both are tried")
	f.BoolVar(&flags.tls, "tls", false, "speak TLS; implied by the other flags of TLS")
	f.StringVar(&flags.ca, "tls-ca", "", "`FILE` of the authorities to trust; empty: the system's")
	f.StringVar(&flags.cert, "tls-cert", "", "`FILE` of the client's certificate")
	f.StringVar(&flags.key, "tls-key", "", "`FILE` of its key")
	f.StringVar(&flags.serverName, "tls-server-name", "", "the name in the core's certificate; empty: the host of --address")
	f.StringVar(&flags.agent, "agent", "", "`URL` of an agent's HTTP interface")
	f.BoolVar(&flags.askOperator, "ask-me", false, "ask on the terminal for what an agent must do")
	f.BoolVar(&cfg.Strict, "strict", false, "optional rules that are not offered count as broken")
	f.BoolVar(&cfg.Quick, "quick", false, "do not wait for the core's own ping")
	f.BoolVar(&cfg.Patient, "patient", false, "wait 90 s for a message that is sent again")
	f.StringVar(&cfg.Messages, "messages", "", "the `ADDRESS` whose message gateways are asked for; empty: the peer")
	f.DurationVar(&cfg.Timeout, "timeout", corecheck.DefaultTimeout, "for one answer")
	f.BoolVar(&flags.inJSON, "json", false, "print the report as JSON")
	f.BoolVar(&flags.allText, "verbose", false, "print what was done and came for every rule, not only for those that are not kept")
	if err := command.MarkFlagRequired("address"); err != nil {
		panic(err) // the flag is defined above
	}
	return command
}

// finish makes the rest of cfg of the flags.
func (f *coreCheckFlags) finish(command *cobra.Command, cfg *corecheck.Config) (err error) {
	if cfg.Secret == "" { // not as the flag's default: --help would show it
		cfg.Secret = os.Getenv(coreSecretVariable)
	}
	if cfg.Encoding, err = simprot.ParseEncoding(f.encoding); err != nil {
		return err
	}
	switch {
	case cfg.Timeout <= 0:
		return errors.New("--timeout must be above 0")
	case f.agent != "" && f.askOperator:
		return errors.New("--agent and --ask-me exclude each other")
	case f.agent != "":
		cfg.Agent = &corecheck.HTTPAgent{URL: f.agent}
	case f.askOperator:
		cfg.Agent = &operator{in: bufio.NewReader(command.InOrStdin()), out: command.ErrOrStderr()}
		cfg.Limit = askedLimit
	}
	cfg.TLS, err = f.tlsConfig()
	return err
}

// tlsConfig is nil for plain TCP.
func (f *coreCheckFlags) tlsConfig() (*tls.Config, error) {
	if !f.tls && f.ca == "" && f.cert == "" && f.key == "" && f.serverName == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.serverName}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", f.ca)
		}
	}
	if f.cert != "" || f.key != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// coreCheck runs the check and prints what it found.
func coreCheck(command *cobra.Command, cfg corecheck.Config, flags coreCheckFlags) error {
	ctx, stop := signal.NotifyContext(command.Context(), os.Interrupt, syscall.SIGTERM)
	defer context.AfterFunc(ctx, stop)() // a second signal ends the process
	defer stop()
	report, err := corecheck.Run(ctx, cfg)
	switch {
	case errors.Is(err, corecheck.ErrNoSecret):
		return &failure{exitUsage, fmt.Errorf("servicelink: the secret is missing: set %s or --secret, or --no-login", coreSecretVariable)}
	case err != nil:
		return &failure{exitUsage, fmt.Errorf("servicelink: %w", err)}
	case flags.inJSON:
		enc := json.NewEncoder(command.OutOrStdout())
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	default:
		err = printReport(command.OutOrStdout(), report, flags.allText)
	}
	if err != nil {
		return failedWriting(err)
	}
	broken := report.Broken()
	if len(broken) == 0 {
		return nil
	}
	names := make([]string, len(broken))
	for i, b := range broken {
		names[i] = b.Name
	}
	return &failure{exitFailed, fmt.Errorf("servicelink: broken: %s", strings.Join(names, ", "))}
}

// printReport prints one line a rule, and below it what is to be known of those
// that are broken.
func printReport(w io.Writer, r *corecheck.Report, all bool) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, v := range r.Results {
		note := ""
		if v.Verdict == corecheck.NotTested || v.Verdict == corecheck.NotOffered {
			note = " (" + v.Came + ")"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s%s\n", v.Verdict, v.Spec, v.Name, v.What, note)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, v := range r.Results {
		if all || v.Verdict == corecheck.Broken {
			fmt.Fprintf(w, "\n%s (SPEC.md %s) is %s\n  done:     %s\n  expected: %s\n  came:     %s\n",
				v.Name, v.Spec, v.Verdict, v.Did, v.Expected, v.Came)
		}
	}
	_, err := fmt.Fprintf(w, "\n%d kept, %d broken, %d not offered, %d not tested, in %v, of %q\n",
		r.Count(corecheck.Kept), r.Count(corecheck.Broken), r.Count(corecheck.NotOffered), r.Count(corecheck.NotTested),
		r.Took.Round(time.Millisecond), r.Server)
	return err
}

// operator asks a person to be the agent.
type operator struct {
	in  *bufio.Reader
	out io.Writer
}

// Say implements corecheck.Agent.
func (o *operator) Say(_ context.Context, where corecheck.Conversation, _ string) error {
	return o.ask("As the agent, write anything into the chat of " + where.TrackingID)
}

// Read implements corecheck.Agent.
func (o *operator) Read(_ context.Context, where corecheck.Conversation) error {
	return o.ask("As the agent, open and read the chat of " + where.TrackingID)
}

// SendMessage implements corecheck.MessageAgent.
func (o *operator) SendMessage(_ context.Context, gateway uuid.UUID, to, _ string) error {
	return o.ask("As the agent, send a message to " + to + " by the gateway " + gateway.String())
}

func (o *operator) ask(what string) error {
	fmt.Fprintf(o.out, "%s, then press Enter (s and Enter: cannot): ", what)
	line, err := o.in.ReadString('\n')
	if err != nil {
		return errors.New("nobody answered")
	}
	if strings.TrimSpace(line) != "" {
		return errors.New("the operator cannot")
	}
	return nil
}
