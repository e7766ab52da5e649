package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"servicelink/gateway"
)

func newJournal() *cobra.Command {
	command := &cobra.Command{
		Use:   "journal",
		Short: "Copy the journal, or verify it, while the gateway runs",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("say what to do with the journal: backup or verify")
		},
	}
	command.AddCommand(newBackup(), newVerify())
	return command
}

func newBackup() *cobra.Command {
	var a asking
	var to string
	command := &cobra.Command{
		Use:   "backup --to NAME --config FILE",
		Short: "Copy the journal while the gateway runs",
		Long: "Have the gateway copy its journal, as it is at one moment, to a new file in the folder\n" +
			"\"backups\" beside the journal, on the gateway's own machine. Messages go on meanwhile.\n" +
			"The file holds what customers wrote: only its owner may read it.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			body, err := a.post(command.Context(), "/api/v1/journal/backup", url.Values{"to": {to}})
			if err != nil {
				return err
			}
			var c gateway.JournalCopy
			return a.show(command.OutOrStdout(), body, &c, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s: %d bytes, in %s\n", shown(c.Path), c.Bytes, seconds(c.Took))
				return err
			})
		},
	}
	a.flags(command)
	command.Flags().StringVar(&to, "to", "", "the `NAME` of the new file, or its whole path")
	if err := command.MarkFlagRequired("to"); err != nil {
		panic(err) // the flag is defined in the line above
	}
	return command
}

func newVerify() *cobra.Command {
	var a asking
	var path string
	command := &cobra.Command{
		Use:   "verify [--file PATH | --config FILE]",
		Short: "Look through the whole journal: file, ledger, indexes",
		Long: "Have the gateway look through its whole journal: the file's structure, the ledger against\n" +
			"the messages, the index of pending ones. Messages go on meanwhile.\n\n" +
			"With --file it is a file that no gateway uses, a backup say; nothing is written to it.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			var body []byte
			var err error
			if path == "" {
				body, err = a.post(command.Context(), "/api/v1/journal/verify", url.Values{})
			} else {
				body, err = verifyFile(command, path)
			}
			if err != nil {
				return err
			}
			var s gateway.JournalState
			if err := a.show(command.OutOrStdout(), body, &s, func(w io.Writer) error { return printJournal(w, s) }); err != nil {
				return err
			}
			if !s.Whole {
				return &failure{exitFailed, errors.New("servicelink: the journal is not whole")}
			}
			return nil
		},
	}
	a.flags(command)
	command.Flags().StringVar(&path, "file", "", "verify this `PATH` instead, a file that no gateway uses")
	return command
}

func verifyFile(command *cobra.Command, path string) ([]byte, error) {
	s, err := gateway.VerifyJournal(command.Context(), path)
	if err != nil {
		return nil, &failure{exitFailed, fmt.Errorf("servicelink: %w", err)}
	}
	body, err := json.Marshal(s)
	return append(body, '\n'), err
}

func printJournal(w io.Writer, s gateway.JournalState) error {
	fmt.Fprintf(w, "%s: %d messages, %d of them pending, %d conversations; looked through in %s%s\n", yesNo(s.Whole, "whole", "NOT WHOLE"),
		s.Rows, s.Pending, s.Conversations, seconds(s.Took), yesNo(s.InFile, "", "; it is in memory, not kept in a file"))
	for _, p := range s.Problems {
		if _, err := fmt.Fprintln(w, "  "+shown(p)); err != nil {
			return err
		}
	}
	return nil
}

func seconds(s float64) time.Duration { return durationOf(s).Round(time.Millisecond) }
