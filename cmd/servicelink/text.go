package main

import (
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"servicelink/config"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(command.OutOrStdout(), "servicelink %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return failedWriting(err)
		},
	}
}

func newExample() *cobra.Command {
	return &cobra.Command{
		Use:   "example",
		Short: "Print a commented configuration with every key there is",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := io.WriteString(command.OutOrStdout(), config.Example)
			return failedWriting(err)
		},
	}
}

func failedWriting(err error) error {
	if err == nil {
		return nil
	}
	return &failure{exitFailed, fmt.Errorf("servicelink: %w", err)}
}
