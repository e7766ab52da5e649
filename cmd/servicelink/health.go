package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/spf13/cobra"
)

// healthTime bounds one question to /healthz, which is answered at once or not
// at all.
const healthTime = 5 * time.Second

func newHealth() *cobra.Command {
	var address string
	command := &cobra.Command{
		Use:   "health [--address HOST:PORT]",
		Short: "Ask a running gateway whether it lives",
		Long: "Ask /healthz of a running gateway's private listener. For health checks of\n" +
			"containers, whose image has no other program to ask with.\n\n" +
			"It reads no configuration: a mistake in a file that is being edited says\n" +
			"nothing about the gateway that runs.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(command.Context(), healthTime)
			defer cancel()
			if err := alive(ctx, address); err != nil {
				return &failure{exitFailed, fmt.Errorf("servicelink: %w", err)}
			}
			_, err := io.WriteString(command.OutOrStdout(), "alive\n")
			return failedWriting(err)
		},
	}
	command.Flags().StringVar(&address, "address", "127.0.0.1:9090", "where its private listener answers, `HOST:PORT`")
	return command
}

// alive asks /healthz at the address a private listener is bound to; nil means
// that it answered as a living gateway does.
func alive(ctx context.Context, address string) error {
	target, err := reachable(address)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+target+"/healthz", nil)
	if err != nil {
		return err
	}
	// No proxy of the environment, no redirect, no connection that stays.
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", request.URL, answer.Status)
	}
	return nil
}

// reachable is where to call a listener: one that is bound to every address
// answers on loopback, too.
func reachable(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	if host == "" {
		host = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip.Is6() {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port), nil
}
