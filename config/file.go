package config

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSecretFile is the largest file a secret is read from, in bytes.
const maxSecretFile = 64 << 10

// readSecret reads a secret's file and trims one newline at its end.
func readSecret(path string) (string, *mistake) {
	if !filepath.IsAbs(path) {
		return "", &mistake{"the secret's file needs an absolute path", `such as "file:/run/secrets/token"`}
	}
	data, err := readFile(path, maxSecretFile)
	if err != nil {
		return "", &mistake{"the secret's file cannot be read: " + err.Error(), ""}
	}
	return secretLine(data)
}

// secretLine trims one newline at the end of what a secret's file holds.
func secretLine(data []byte) (string, *mistake) {
	text := strings.TrimSuffix(string(data), "\n")
	text = strings.TrimSuffix(text, "\r")
	if !utf8.ValidString(text) || strings.IndexFunc(text, unicode.IsControl) >= 0 {
		return "", &mistake{"the secret's file holds more than one line of text", ""}
	}
	return text, nil
}

var (
	errTooLarge   = errors.New("it is too large")
	errNotRegular = errors.New("it is not a regular file")
)

// readFile reads a regular file of at most limit bytes. Its errors do not
// repeat the path.
func readFile(path string, limit int64) ([]byte, error) {
	// A pipe or a device could block for ever or never end.
	info, err := os.Stat(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, withoutPath(err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if int64(len(data)) > limit {
		return nil, errTooLarge
	}
	return data, nil
}

func withoutPath(err error) error {
	if pathError, ok := errors.AsType[*os.PathError](err); ok {
		return pathError.Err
	}
	return err
}
