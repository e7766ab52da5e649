package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"servicelink/simprot"
)

const dumpHelp = `Shows the packets of a SimProt link, one line each: when, connection, direction
(-> to the core, <- to the gateway), code, Port, the conversation as logs show
it (a hash of its TrackingId), ChatId, ID, Counter and sizes; of mail and short
messages their MessageId, GatewayId, RequestId and what the answer says.

FILE is a capture (pcap or pcapng, from tcpdump -s 0 or from --write), or the
bytes of one direction; compressed by gzip or not; "-" is standard input.

With --listen it is a proxy: let the gateway's core.address be that address.
Not a byte is altered, and a slow terminal does not slow the link: what could
not be shown is counted. When it ends, so do the connections through it.

Of texts, names and addresses only the length and the kind of the first
character are shown. A login's secret and the settings of message gateways
(Device) are never shown, and never written by --write. A link with TLS shows
nothing in a capture: use the proxy with --tls-cert and --tls-key, and --core-ca
if the core has TLS.`

// options are the command line of dump.
type options struct {
	json, full, unmask bool
	filter             filter
	corePort           uint16
	maxFrame           int
	proxy              proxyOptions
}

// dumper is what all inputs have in common.
type dumper struct {
	out      *printer
	stderr   io.Writer
	corePort uint16
	onlyPort bool // connections that do not use it are none of ours
	maxFrame int
}

func newDump() *cobra.Command {
	o := &options{}
	command := &cobra.Command{
		Use:   "dump [FILE]",
		Short: "Show the packets of a link, with their content masked",
		Long:  dumpHelp,
		Args:  cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return o.run(command.Context(), command, args)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&o.json, "json", false, "write one JSON object per line")
	flags.BoolVar(&o.full, "full", false, "show all members of every packet")
	flags.BoolVar(&o.unmask, "unmask", false, "show texts and addresses as they are (implies --full); secrets stay masked")
	flags.StringSliceVar(&o.filter.conversations, "conversation", nil, "only this `CONVERSATION`: its TrackingId, or the hash that logs show; may be repeated")
	flags.StringSliceVar(&o.filter.codes, "code", nil, "only packets of this `CODE`; ES_CHAT_* is a pattern; may be repeated")
	flags.StringSliceVar(&o.filter.ports, "port", nil, "only packets of this `PORT` of the core (one channel); may be repeated")
	flags.Uint16Var(&o.corePort, "core-port", 18321, "TCP `PORT` of the core in a capture; unless it is set, other connections that show packets are taken too")
	flags.IntVar(&o.maxFrame, "max-frame", simprot.DefaultMaxFrame, "largest frame that is decoded, in `BYTES`")
	flags.StringVar(&o.proxy.listen, "listen", "", "be a proxy that gateways connect to at this `ADDRESS`")
	flags.StringVar(&o.proxy.to, "to", "", "`ADDRESS` of the core behind the proxy")
	flags.StringVar(&o.proxy.write, "write", "", "write what passes the proxy to this new `FILE`, a capture that holds texts and addresses")
	flags.StringVar(&o.proxy.cert, "tls-cert", "", "certificate `FILE` that the proxy shows to gateways")
	flags.StringVar(&o.proxy.key, "tls-key", "", "its key `FILE`")
	flags.BoolVar(&o.proxy.coreTLS, "core-tls", false, "the core has TLS")
	flags.StringVar(&o.proxy.coreCA, "core-ca", "", "`FILE` of the authorities that vouch for the core (implies --core-tls)")
	command.MarkFlagsRequiredTogether("listen", "to")
	command.MarkFlagsRequiredTogether("tls-cert", "tls-key")
	return command
}

// check finds what single flags cannot.
func (o *options) check(args []string) error {
	live := o.proxy.listen != ""
	switch {
	case live && len(args) > 0:
		return errors.New("either FILE or --listen")
	case !live && len(args) == 0:
		return errors.New("neither FILE nor --listen")
	case !live && (o.proxy.write != "" || o.proxy.cert != "" || o.proxy.coreTLS || o.proxy.coreCA != ""):
		return errors.New("--write, --tls-cert, --core-tls and --core-ca need --listen")
	case o.maxFrame < 1 || o.maxFrame > simprot.MaxReadFrame:
		return fmt.Errorf("--max-frame is not in 1 to %d", simprot.MaxReadFrame)
	}
	return o.filter.check()
}

func (o *options) run(ctx context.Context, command *cobra.Command, args []string) error {
	if err := o.check(args); err != nil {
		return err
	}
	d := &dumper{
		stderr:   command.ErrOrStderr(),
		corePort: o.corePort,
		onlyPort: command.Flags().Changed("core-port"),
		maxFrame: o.maxFrame,
		out: &printer{
			out: command.OutOrStdout(), json: o.json, full: o.full || o.unmask, unmask: o.unmask, filter: o.filter,
		},
	}
	if o.unmask {
		d.say("warning: texts and addresses of customers are shown as they are")
	}
	err := d.dump(ctx, o, args, command.InOrStdin())
	d.say("%s", d.out.summary())
	return failed(err)
}

// dump reads the input that was meant to its end.
func (d *dumper) dump(ctx context.Context, o *options, args []string, stdin io.Reader) error {
	if o.proxy.listen != "" {
		return d.dumpLive(ctx, &o.proxy)
	}
	if args[0] == "-" { // perhaps a live capture: each line at once
		return errors.Join(d.dumpInput(stdin), d.out.err)
	}
	file, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewWriter(d.out.out)
	d.out.out = lines
	return errors.Join(d.dumpInput(file), d.out.err, lines.Flush())
}

// tell shows a piece.
func (d *dumper) tell(s *stream, p piece) { d.out.piece(s.conn, s.way, p) }

// say writes what is no packet to standard error.
func (d *dumper) say(format string, args ...any) {
	fmt.Fprintf(d.stderr, "simprot: "+format+"\n", args...)
}
