package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// deadLetter is a message that was given up, as the API shows it.
type deadLetter struct {
	Seq       int64     `json:"seq"`
	Channel   string    `json:"channel"`
	Direction string    `json:"direction"`
	Tracking  string    `json:"tracking"`
	ID        string    `json:"id"`
	Reason    string    `json:"reason"`
	Hint      string    `json:"hint"`
	Attempts  int       `json:"attempts"`
	Bytes     int       `json:"bytes"`
	Accepted  time.Time `json:"accepted"`
	Ended     time.Time `json:"ended"`
	Parts     []struct {
		State  string    `json:"state"`
		Reason string    `json:"reason"`
		At     time.Time `json:"at"`
	} `json:"parts"`
}

// deadPage is an answer of /api/v1/dead.
type deadPage struct {
	Dead       []json.RawMessage `json:"dead"`
	NextBefore int64             `json:"next_before"`
}

func newDead() *cobra.Command {
	var a asking
	command := &cobra.Command{
		Use:   "dead",
		Short: "Messages that were given up: list, show, requeue, discard",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return fmt.Errorf("say what to do with dead letters: list, show, requeue or discard")
		},
	}
	a.flags(command)
	command.AddCommand(newDeadList(&a), newDeadShow(&a),
		newDeadAct(&a, "requeue", "Try dead letters again"),
		newDeadAct(&a, "discard", "Take dead letters off the list and erase their content"))
	return command
}

func newDeadList(a *asking) *cobra.Command {
	var channel string
	var before int64
	var limit int
	command := &cobra.Command{
		Use: "list --config FILE", Short: "List dead letters, newest first", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			if channel != "" {
				query.Set("channel", channel)
			}
			if before > 0 {
				query.Set("before", strconv.FormatInt(before, 10))
			}
			body, err := a.call(command.Context(), http.MethodGet, "/api/v1/dead?"+query.Encode())
			if err != nil {
				return err
			}
			var page deadPage
			return a.show(command.OutOrStdout(), body, &page, func(w io.Writer) error { return printDead(w, page) })
		},
	}
	f := command.Flags()
	f.StringVar(&channel, "channel", "", "only those of one channel")
	f.Int64Var(&before, "before", 0, "go on below this `SEQ`")
	f.IntVar(&limit, "limit", 100, "at most so many, 1 to 1000")
	return command
}

func printDead(w io.Writer, page deadPage) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SEQ\tENDED\tCHANNEL\tDIRECTION\tCONVERSATION\tATTEMPTS\tREASON\tHINT")
	for _, raw := range page.Dead {
		var d deadLetter
		if err := json.Unmarshal(raw, &d); err != nil {
			return err
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", d.Seq, shownTime(d.Ended), shown(d.Channel), shown(d.Direction),
			shown(d.Tracking), d.Attempts, orDash(d.Reason), orDash(d.Hint))
	}
	if page.NextBefore > 0 {
		fmt.Fprintf(table, "there may be more: --before %d\n", page.NextBefore)
	}
	return table.Flush()
}

func newDeadShow(a *asking) *cobra.Command {
	return &cobra.Command{
		Use: "show SEQ --config FILE", Short: "Show one dead letter, without its text and address", Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			seq, err := readSeq(args[0])
			if err != nil {
				return err
			}
			// The list from there on: its first is it, if it is one.
			body, err := a.call(command.Context(), http.MethodGet, fmt.Sprintf("/api/v1/dead?limit=1&before=%d", seq+1))
			if err != nil {
				return err
			}
			var page deadPage
			var d deadLetter
			if err := json.Unmarshal(body, &page); err != nil {
				return &failure{exitFailed, fmt.Errorf("servicelink: the answer is not that of a gateway: %w", err)}
			}
			if len(page.Dead) == 1 {
				body = page.Dead[0]
				_ = json.Unmarshal(body, &d) // show tells
			}
			if d.Seq != seq {
				return &failure{exitFailed, fmt.Errorf("servicelink: %d is not a dead letter", seq)}
			}
			return a.show(command.OutOrStdout(), append(body, '\n'), &d, func(w io.Writer) error { return printLetter(w, &d) })
		},
	}
}

func printLetter(w io.Writer, d *deadLetter) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { fmt.Fprintf(table, format+"\n", args...) }
	line("seq\t%d", d.Seq)
	line("channel\t%s, %s", shown(d.Channel), shown(d.Direction))
	line("conversation\t%s", shown(d.Tracking))
	line("id\t%s", orDash(d.ID))
	line("accepted\t%s", shownTime(d.Accepted))
	line("ended\t%s", shownTime(d.Ended))
	line("reason\t%s", orDash(d.Reason))
	line("hint\t%s", orDash(d.Hint))
	line("attempts\t%d", d.Attempts)
	line("content\t%d bytes", d.Bytes)
	for i, p := range d.Parts {
		line("part %d\t%s %s %s", i+1, orDash(p.State), shownTime(p.At), shown(p.Reason))
	}
	return table.Flush()
}

func newDeadAct(a *asking, action, short string) *cobra.Command {
	return &cobra.Command{
		Use: action + " SEQ... --config FILE", Short: short, Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			seqs := make([]int64, len(args))
			for i, arg := range args {
				var err error
				if seqs[i], err = readSeq(arg); err != nil {
					return err
				}
			}
			for _, seq := range seqs {
				if err := a.act(command.Context(), command.OutOrStdout(), action, seq); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// act does one thing to one dead letter.
func (a *asking) act(ctx context.Context, w io.Writer, action string, seq int64) error {
	body, err := a.call(ctx, http.MethodPost, fmt.Sprintf("/api/v1/dead/%d/%s", seq, action))
	if err != nil {
		return err
	}
	var done struct {
		Seq int64 `json:"seq"`
	}
	return a.show(w, body, &done, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%d: %s: done\n", done.Seq, action)
		return err
	})
}

func readSeq(arg string) (int64, error) {
	seq, err := strconv.ParseInt(arg, 10, 64)
	if err != nil || seq < 1 {
		return 0, &failure{exitUsage, fmt.Errorf("servicelink: %q is not a SEQ, a positive number", arg)}
	}
	return seq, nil
}
