package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway"
)

// doctorTime bounds an examination that this process makes itself.
const doctorTime = 5 * time.Minute

func newDoctor() *cobra.Command {
	var path string
	var inJSON, offline bool
	command := &cobra.Command{
		Use:   "doctor [CHANNEL] --config FILE",
		Short: "Look for what is not set up right, and say what helps",
		Long: "Look at one channel or at all of them, as they are set up at their networks, and at\n" +
			"what the gateway itself needs: the way from the networks to public.url, its\n" +
			"certificate, the core, the journal. What is wrong comes first, each with its cure;\n" +
			"docs/doctor.md has more of every fault.\n\n" +
			"A running gateway is asked to look by itself. When none answers, or with --offline,\n" +
			"this process looks: it logs in to the core by a name of its own, and answers at\n" +
			"public.listen meanwhile when nobody else does. Nothing is sent to a customer, and\n" +
			"nothing is changed.\n\n" +
			"Exit codes: 0 nothing failed, 1 something failed, 2 wrong usage.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			d, err := diagnose(command.Context(), command.ErrOrStderr(), path, offline, args)
			if err != nil {
				return err
			}
			if inJSON {
				enc := json.NewEncoder(command.OutOrStdout())
				enc.SetEscapeHTML(false)
				err = enc.Encode(d)
			} else {
				err = printDiagnosis(command.OutOrStdout(), &d)
			}
			if err != nil {
				return failedWriting(err)
			}
			if d.Failed() {
				return &failure{exitFailed, errors.New("servicelink: something failed: see above")}
			}
			return nil
		},
	}
	configFlag(command, &path)
	f := command.Flags()
	f.BoolVar(&inJSON, "json", false, "print what was found as JSON")
	f.BoolVar(&offline, "offline", false, "do not ask a running gateway")
	return command
}

// diagnose asks the gateway that runs with this configuration, or looks by itself.
func diagnose(ctx context.Context, stderr io.Writer, path string, offline bool, named []string) (d gateway.Diagnosis, err error) {
	cfg, err := config.Load(path)
	if cfg == nil {
		return gateway.Diagnosis{At: time.Now().UTC(), Checks: mistakes(err)}, nil
	}
	unknown := known(cfg, named)
	if unknown != nil && (offline || !cfg.Messages.Register || uuid.Validate(named[0]) != nil) {
		return d, unknown
	}
	if !offline {
		if d, asked, err := askDoctor(ctx, cfg, path, named); asked || err != nil {
			return d, err
		}
		if unknown != nil { // which gateways the core has registered, only a running one knows
			return d, unknown
		}
		fmt.Fprintln(stderr, "servicelink: no gateway answers at "+shown(cfg.Private.Listen)+"; looking from here")
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTime)
	defer cancel()
	d = gateway.Examine(ctx, cfg, compiledIn())
	if inFile := mistakes(err); len(inFile) > 0 {
		// What is wrong in the file may have been met again while building from it.
		d.Checks = slices.DeleteFunc(d.Checks, func(e gateway.Examined) bool {
			return e.Name == connectors.CheckConfig && (e.State == connectors.CheckOK || said(inFile, e))
		})
		d.Checks = append(inFile, d.Checks...)
	}
	if len(named) > 0 {
		d.Checks = slices.DeleteFunc(d.Checks, func(e gateway.Examined) bool { return e.Channel != "" && e.Channel != named[0] })
	}
	return d, nil
}

func said(checks []gateway.Examined, e gateway.Examined) bool {
	return slices.ContainsFunc(checks, func(s gateway.Examined) bool { return s.Found == e.Found })
}

// mistakes are those of a configuration file.
func mistakes(err error) (list []gateway.Examined) {
	for _, c := range gateway.ConfigChecks(err) {
		list = append(list, gateway.Examined{Check: c})
	}
	return list
}

// askDoctor lets the running gateway look; asked is false when none answers.
func askDoctor(ctx context.Context, cfg *config.Config, path string, named []string) (d gateway.Diagnosis, asked bool, err error) {
	alone, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	if alive(alone, cfg.Private.Listen) != nil {
		return d, false, nil
	}
	form := url.Values{}
	if len(named) > 0 {
		form.Set("channel", named[0])
	}
	a := asking{config: path}
	body, err := a.post(ctx, "/api/v1/doctor", form)
	if err != nil {
		return d, true, err
	}
	if err := json.Unmarshal(body, &d); err != nil {
		return d, true, &failure{exitFailed, fmt.Errorf("servicelink: the answer is not that of a gateway: %w", err)}
	}
	return d, true, nil
}

// severity orders what is printed: the worst first.
var severity = map[connectors.CheckState]int{
	connectors.CheckFailed: 0, connectors.CheckWarning: 1, connectors.CheckUnknown: 2, connectors.CheckOK: 3,
}

// printDiagnosis prints a line for each check, what is wrong with its cure.
func printDiagnosis(w io.Writer, d *gateway.Diagnosis) error {
	checks := slices.Clone(d.Checks)
	slices.SortStableFunc(checks, func(a, b gateway.Examined) int {
		return cmp.Compare(severity[a.State], severity[b.State])
	})
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	count := map[connectors.CheckState]int{}
	for _, e := range checks {
		count[e.State]++
		where := "gateway"
		if e.Channel != "" {
			where = strings.TrimSpace(e.Channel + " " + e.Gateway)
			if e.Network != "" {
				where += " (" + e.Network + ")"
			}
		}
		what := string(e.Name)
		if e.Fault != "" {
			what += " " + string(e.Fault)
		}
		fmt.Fprintf(table, "%s\t%s:\t%s:\t%s\n", shown(string(e.State)), shown(where), shown(what), shown(line(e.Check)))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	verdict := "all is well"
	switch {
	case d.Failed():
		verdict = "something is wrong"
	case count[connectors.CheckWarning] > 0:
		verdict = "it works, with warnings"
	}
	by := "looked from here, no gateway was asked"
	if d.Running {
		by = "the running gateway looked"
	}
	_, err := fmt.Fprintf(w, "\n%s: %d failed, %d warnings, %d unknown, %d ok (%s)\n", verdict, count[connectors.CheckFailed],
		count[connectors.CheckWarning], count[connectors.CheckUnknown], count[connectors.CheckOK], by)
	return err
}

// line is what was found and what helps.
func line(c connectors.Check) string {
	text := c.Found
	if c.Code != "" && !strings.Contains(text, c.Code) {
		text += " (" + c.Code + ")"
	}
	if c.Cure != "" {
		text += ": " + c.Cure
	}
	return text
}
