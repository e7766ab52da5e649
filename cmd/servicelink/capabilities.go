package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway"
	"servicelink/simprot"
)

// shownPort is what a channel's Port can show, as printed.
type shownPort struct {
	Channel string                `json:"channel"`
	Port    string                `json:"port"`
	Enabled bool                  `json:"enabled"`
	Shows   *simprot.PortManifest `json:"manifest"` // its members by the names of SPEC.md
}

func newCapabilities() *cobra.Command {
	var path string
	var inJSON bool
	command := &cobra.Command{
		Use:   "capabilities [CHANNEL] --config FILE",
		Short: "Print what each channel can show its customers, with its limits",
		Long: "Print what each channel can show its customers, with its limits: what the core is told\n" +
			"of its Port (SPEC.md 7.11). What a channel cannot show goes as text. No gateway has to\n" +
			"run, and nothing is connected to.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			cfg, err := load(path)
			if err != nil {
				return err
			}
			ports, err := portsOf(cfg, args)
			if err != nil {
				return err
			}
			if inJSON {
				return failedWriting(json.NewEncoder(command.OutOrStdout()).Encode(ports))
			}
			return failedWriting(printPorts(command.OutOrStdout(), ports))
		},
	}
	configFlag(command, &path)
	command.Flags().BoolVar(&inJSON, "json", false, "print them as JSON")
	return command
}

// portsOf lists the channel that is named, or all.
func portsOf(cfg *config.Config, named []string) ([]shownPort, error) {
	if err := known(cfg, named); err != nil {
		return nil, err
	}
	ports := []shownPort{}
	err := gateway.OnTrial(cfg, compiledIn(), func(ch config.Channel, conn connectors.Device) error {
		if ch.Gateway == nil && (len(named) == 0 || named[0] == ch.Name) {
			ports = append(ports, shownPort{ch.Name, ch.Port, ch.Enabled, gateway.Manifest(ch, conn.Capabilities())})
		}
		return nil
	})
	return ports, err
}

func printPorts(w io.Writer, ports []shownPort) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CHANNEL\tNETWORK\tTEXT\tFILES\tBUTTONS\tREPLIES\tTEMPLATES\tTYPING\tREAD\tWINDOW")
	for _, p := range ports {
		m := p.Shows
		files, buttons := "-", "-"
		if m.Files {
			files = "yes"
			if m.Caption > 0 {
				files = "with text to " + strconv.Itoa(int(m.Caption))
			}
		}
		if m.Buttons > 0 {
			buttons = "to " + strconv.Itoa(int(m.Buttons))
		}
		fmt.Fprintln(table, strings.Join([]string{
			shown(p.Channel), shown(m.Network), limitText(m), files, buttons, mark(m.Replies), mark(m.Templates),
			mark(m.Typing), mark(m.ReadMark), windowText(m),
		}, "\t"))
	}
	return table.Flush()
}

func mark(can bool) string { return yesNo(can, "yes", "-") }

func limitText(m *simprot.PortManifest) string {
	if m.TextLimit == 0 {
		return "any"
	}
	return "to " + strconv.Itoa(int(m.TextLimit)) + " " + m.TextUnit
}

// windowText is how long after the customer's latest message answers are taken.
func windowText(m *simprot.PortManifest) string {
	if m.ReplyWindow == 0 {
		return "-"
	}
	text := (time.Duration(m.ReplyWindow) * time.Second).String()
	if m.LateWindow > 0 {
		text += ", by a person " + (time.Duration(m.LateWindow) * time.Second).String()
	}
	return text
}
