package main

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"servicelink/config"
)

// TestExamplesPassCheck runs check on the embedded example and on every file in
// examples/, with the environment they name.
func TestExamplesPassCheck(t *testing.T) {
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("found %v, %v", files, err)
	}
	embedded := filepath.Join(t.TempDir(), "example.yaml")
	if err := os.WriteFile(embedded, []byte(config.Example), 0o600); err != nil {
		t.Fatal(err)
	}
	gateways := filepath.Join(t.TempDir(), "gateways.yaml")
	if err := os.WriteFile(gateways, withGateways(t), 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key := selfSigned(t)
	for _, file := range append(files, embedded, gateways) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range variable.FindAllStringSubmatch(string(text), -1) {
				t.Setenv(m[1], cmp.Or(m[2], "example-"+m[1]))
			}
			if strings.Contains(string(text), "Files named by") {
				for _, name := range listed(t, text, `Files named by the environment \(PEM\): ([A-Z_, ]+)`) {
					t.Setenv(name, map[bool]string{true: key, false: cert}[strings.HasSuffix(name, "_KEY")])
				}
			}
			var stdout, stderr bytes.Buffer
			if code := execute([]string{"check", "--config", file}, &stdout, &stderr); code != exitFine {
				t.Errorf("exit code %d\n%s", code, stderr.String())
			}
			if stderr.Len() > 0 || strings.Count(stdout.String(), "ok ") < 5 {
				t.Errorf("output:\n%s\nerrors:\n%s", stdout.String(), stderr.String())
			}
		})
	}
}

// withGateways is the embedded example with the message gateways that it shows
// commented out.
func withGateways(t *testing.T) []byte {
	t.Helper()
	before, rest, ok := strings.Cut(config.Example, "  # gateways:\n")
	block, after, end := strings.Cut(rest, "\n\n")
	if !ok || !end {
		t.Fatal("the example shows no gateways")
	}
	return []byte(before + "  gateways:\n" + strings.ReplaceAll("\n"+block, "\n  # ", "\n  ") + "\n\n" + after)
}

// variable finds what is read from the environment. A value that cannot be any text
// stands behind it, in the line's comment.
var variable = regexp.MustCompile(`\$\{([A-Z_]+)\}(?:.*, such as (\S+))?`)

// listed reads the names a comment lists.
func listed(t *testing.T, text []byte, pattern string) []string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindSubmatch(text)
	if found == nil {
		t.Fatalf("no comment like %s", pattern)
	}
	return regexp.MustCompile(`[A-Z][A-Z_]+`).FindAllString(string(found[1]), -1)
}

// selfSigned writes a certificate and its key.
func selfSigned(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "example"}, NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	write := func(name, kind string, data []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", cert), write("key.pem", "PRIVATE KEY", private)
}
