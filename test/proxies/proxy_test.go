//go:build proxies

package proxies

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"servicelink/test/ports"
	"servicelink/test/proc"
)

const (
	host = "kit.example.com" // for which the signed requests are
	// outside is where callers come from: an address that is no proxy's.
	outside  = "127.0.0.9"
	patience = 30 * time.Second
)

// product is a program that stands in front, with its file in examples/proxies.
type product struct {
	name, file string
	// args runs it in the foreground on a configuration.
	args func(dir, file string) []string
	// change are words of the file and what stands there in the test; each must be
	// in it. Only places change: addresses, the certificate, logs.
	change func(p place) map[string]string
	// around is put around the file where it is a part of a larger one.
	around func(dir, file string) string
	waits  bool // for a gateway that is away
}

// place is where a proxy is in a test.
type place struct {
	dir, listen, gateway, cert, key, both string
}

var products = []product{
	{
		name: "nginx", file: "nginx.conf",
		args: func(dir, file string) []string {
			return []string{"-p", dir, "-c", file, "-e", filepath.Join(dir, "error.log")}
		},
		change: func(p place) map[string]string {
			return map[string]string{
				"listen 443 ssl;":                       "listen " + p.listen + " ssl;",
				"    listen [::]:443 ssl;\n":            "",
				"server_name gw.example.com;":           "server_name " + host + ";",
				"server 127.0.0.1:8080;":                "server " + p.gateway + ";",
				"/etc/ssl/gw.example.com/fullchain.pem": p.cert,
				"/etc/ssl/gw.example.com/privkey.pem":   p.key,
				"/var/log/nginx/servicelink.log":        filepath.Join(p.dir, "access.log"),
				"/var/log/nginx/servicelink.error.log":  filepath.Join(p.dir, "server.log"),
			}
		},
		around: func(dir, file string) string {
			temp := ""
			for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
				temp += name + "_temp_path " + filepath.Join(dir, name) + ";\n"
			}
			return "daemon off; master_process off; worker_processes 1;\npid " + filepath.Join(dir, "nginx.pid") + ";\n" +
				"events {}\nhttp {\n" + temp + "include " + file + ";\n}\n"
		},
	},
	{
		name: "haproxy", file: "haproxy.cfg", waits: true,
		args: func(_, file string) []string { return []string{"-db", "-f", file} },
		change: func(p place) map[string]string {
			return map[string]string{
				"log /dev/log local0":             "log stdout format raw local0",
				"bind :443 ssl":                   "bind " + p.listen + " ssl",
				"/etc/haproxy/gw.example.com.pem": p.both,
				"server gateway 127.0.0.1:8080":   "server gateway " + p.gateway,
			}
		},
	},
}

// each runs a test with every product; all at the same time.
func each(t *testing.T, test func(*testing.T, *proxy)) {
	t.Helper()
	t.Parallel()
	for _, p := range products {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			test(t, p.prepare(t))
		})
	}
}

// proxy is a product that is told where the gateway will be.
type proxy struct {
	product
	place
	roots *x509.CertPool
	log   logFile
}

// logFile keeps what a process writes.
type logFile struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logFile) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logFile) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// prepare writes the configuration, and starts the proxy; it ends with the test.
// Where it leads nobody listens yet.
func (p product) prepare(t *testing.T) *proxy {
	t.Helper()
	x := &proxy{product: p, place: place{dir: t.TempDir(), listen: ports.For(t), gateway: ports.For(t)}}
	x.certify(t)
	example, err := os.ReadFile(filepath.Join("..", "..", "examples", "proxies", p.file))
	if err != nil {
		t.Fatal(err)
	}
	text := string(example)
	for old, changed := range p.change(x.place) {
		if strings.Count(text, old) != 1 {
			t.Fatalf("%s has %q not once", p.file, old)
		}
		text = strings.Replace(text, old, changed, 1)
	}
	file := x.write(t, p.file, text)
	if p.around != nil {
		file = x.write(t, "main.conf", p.around(x.dir, file))
	}
	process, err := proc.Start(&x.log, nil, p.name, p.args(x.dir, file)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		process.Kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, x.log.String())
		}
	})
	await(t, p.name, x.listen, process)
	return x
}

func (x *proxy) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(x.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// await waits until a process listens at address.
func await(t *testing.T, name, address string, process *proc.Process) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; {
		if conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-process.Ended():
			t.Fatalf("%s has ended", name)
		case <-tick.C:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen", name)
		}
	}
}

// certify makes the proxy a certificate of its own.
func (x *proxy) certify(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
	x.cert, x.key, x.both = x.write(t, "cert", cert), x.write(t, "key", private), x.write(t, "both", private+cert)
	x.roots = x509.NewCertPool()
	x.roots.AppendCertsFromPEM([]byte(cert))
}

// dial opens a connection to the proxy, from outside.
func (x *proxy) dial(t *testing.T) *tls.Conn {
	t.Helper()
	d := tls.Dialer{
		NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(outside)}},
		Config:    &tls.Config{RootCAs: x.roots, ServerName: host, MinVersion: tls.VersionTLS12},
	}
	conn, err := d.DialContext(t.Context(), "tcp", x.listen)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn.(*tls.Conn)
}
