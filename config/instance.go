package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// InstanceName is the name this gateway goes by at the core: the configured
// one, else the host's name, "-" and 8 hex digits of the SHA-256 of the
// journal's absolute path (with a memory journal: of the configuration
// file's). So it survives a restart, and two gateways of one host differ.
func (c *Config) InstanceName() (string, error) {
	if c.Core.Instance != "" {
		return c.Core.Instance, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("host name for the instance: %w", err)
	}
	file := c.Journal.Path
	if c.Journal.Driver == "memory" {
		file = c.Path
	}
	absolute, err := filepath.Abs(file)
	if err != nil {
		return "", fmt.Errorf("path for the instance: %w", err)
	}
	sum := sha256.Sum256([]byte(absolute))
	return host + "-" + hex.EncodeToString(sum[:4]), nil
}
