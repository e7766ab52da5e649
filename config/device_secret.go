package config

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var environmentName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// registeredSecret resolves a secret in a Device of the core's: "env:NAME",
// "file:NAME" below dir, or the text itself.
func registeredSecret(text, dir string) (string, *mistake) {
	if name, ok := strings.CutPrefix(text, "env:"); ok {
		if !environmentName.MatchString(name) {
			return "", &mistake{"env: must be followed by the name of an environment variable", ""}
		}
		value, set := os.LookupEnv(name)
		if !set {
			return "", &mistake{"needs the environment variable " + name + " of the gateway, which is not set", ""}
		}
		return value, nil
	}
	if name, ok := strings.CutPrefix(text, "file:"); ok {
		return secretBelow(dir, name)
	}
	return text, nil
}

// secretBelow reads a secret's file in dir or below it. The core names it, so no way
// leads out: no "..", no absolute name, no symbolic link to somewhere else.
func secretBelow(dir, name string) (string, *mistake) {
	if dir == "" {
		return "", &mistake{"names a file, and the gateway may read none", "set messages.secrets_dir, or name an environment variable: env:NAME"}
	}
	if !filepath.IsLocal(name) || strings.Contains(name, "..") {
		return "", &mistake{"must name a file in the gateway's folder of secrets", `such as "file:support-mailbox": no way out of the folder`}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", &mistake{"the gateway's folder of secrets cannot be read: " + withoutPath(err).Error(), "see messages.secrets_dir"}
	}
	defer root.Close()
	data, err := readBelow(root, name)
	if err != nil {
		return "", &mistake{"the secret's file cannot be read: " + withoutPath(err).Error(), "it lies below messages.secrets_dir"}
	}
	return secretLine(data)
}

// readBelow is readFile below a root.
func readBelow(root *os.Root, name string) ([]byte, error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err == nil && len(data) > maxSecretFile {
		err = errTooLarge
	}
	return data, err
}
