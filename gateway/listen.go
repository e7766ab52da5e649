package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"servicelink/config"
)

// What one listener gives to its callers. The limit for answers leaves room
// for the longest webhook patience and for a profile of a minute.
const (
	headerTime  = 5 * time.Second  // for the header to arrive
	readTime    = 15 * time.Second // for header and body
	writeTime   = 2 * time.Minute  // from the header's end to the answer's
	idleTime    = 75 * time.Second // between two calls on one connection
	headerBytes = 16 << 10         // of a header; net/http adds 4 KiB
)

// httpServer is one HTTP listener of the gateway: Listen, then Serve until
// Shutdown. It speaks HTTP/1.1 only, as the networks do, so that the limit of
// connections is one of calls as well.
type httpServer struct {
	name   string
	listen string
	tls    *config.ServerTLS
	conns  int            // at once
	share  int            // of one caller at once
	exempt []netip.Prefix // who has no such share
	log    *slog.Logger
	server *http.Server
	ln     net.Listener
	bind   func(ctx context.Context, network, address string) (net.Listener, error) // nil = TCP
}

// loopback addresses are a proxy's or a neighbour's on this machine.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// newHTTPServer prepares a server; name says in errors and logs which one it is.
func newHTTPServer(name, listen string, tls *config.ServerTLS, h http.Handler, log *slog.Logger) *httpServer {
	log = log.With(slog.String("listener", name))
	s := &httpServer{name: name, listen: listen, tls: tls, conns: connections, share: peerShare, exempt: loopback, log: log}
	s.server = &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            headerTime,
		ReadTimeout:                  readTime,
		WriteTimeout:                 writeTime,
		IdleTimeout:                  idleTime,
		MaxHeaderBytes:               headerBytes,
		DisableGeneralOptionsHandler: true, // OPTIONS * is no webhook
		ConnState:                    noteState,
		ErrorLog:                     slog.NewLogLogger(serverLog{log.Handler()}, slog.LevelWarn),
		Protocols:                    new(http.Protocols),
	}
	s.server.Protocols.SetHTTP1(true)
	return s
}

// Listen binds the address and reads the certificate, so that a mistake in
// either stops the start. Callers wait in the queue until Serve.
func (s *httpServer) Listen() error {
	var keys *certificate
	if s.tls != nil {
		var err error
		if keys, err = loadCertificate(*s.tls, s.log); err != nil {
			return fmt.Errorf("%s listener: %w", s.name, err)
		}
	}
	bind := s.bind
	if bind == nil {
		bind = new(net.ListenConfig).Listen
	}
	ln, err := bind(context.Background(), "tcp", s.listen)
	if err != nil {
		return fmt.Errorf("%s listener: %w", s.name, err)
	}
	s.ln = newLimitListener(ln, s.conns, s.share, s.exempt, s.log)
	if keys != nil {
		s.ln = tls.NewListener(s.ln, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: keys.get})
	}
	return nil
}

// handle sets what answers, before Serve, where that is known only after Listen.
func (s *httpServer) handle(h http.Handler) { s.server.Handler = h }

// Addr is the bound address; the port is known even when 0 was configured.
func (s *httpServer) Addr() net.Addr { return s.ln.Addr() }

// Serve answers until Shutdown and returns nil then.
func (s *httpServer) Serve() error {
	if err := s.server.Serve(s.ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("%s listener: %w", s.name, err)
	}
	return nil
}

// Shutdown takes no more calls and waits for those in progress until ctx ends;
// what is left then is cut off, and the error says so.
func (s *httpServer) Shutdown(ctx context.Context) error {
	if s.ln != nil {
		defer s.ln.Close() // Serve may never have had it
	}
	if err := s.server.Shutdown(ctx); err != nil {
		_ = s.server.Close()
		return fmt.Errorf("%s listener: calls cut off: %w", s.name, err)
	}
	return nil
}

// certEvery is the shortest time between two looks at the certificate's files.
const certEvery = time.Minute

// certificate is a key pair that is read again when its file has changed, so
// that a renewal needs no restart.
type certificate struct {
	files config.ServerTLS
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex
	pair    *tls.Certificate
	changed time.Time // of the certificate's file
	looked  time.Time
}

func loadCertificate(files config.ServerTLS, log *slog.Logger) (*certificate, error) {
	c := &certificate{files: files, log: log, now: time.Now}
	if err := c.load(); err != nil {
		return nil, err
	}
	c.looked = c.now()
	return c, nil
}

func (c *certificate) load() error {
	changed, err := modified(c.files.Cert)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", c.files.Cert, err)
	}
	c.pair, c.changed = &pair, changed
	return nil
}

func modified(file string) (time.Time, error) {
	info, err := os.Stat(file)
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// get is tls.Config.GetCertificate. A renewal that cannot be read leaves the
// old certificate in use.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.looked) >= certEvery {
		c.looked = now
		if changed, err := modified(c.files.Cert); err != nil || !changed.Equal(c.changed) {
			if err == nil {
				err = c.load()
			}
			if err != nil {
				c.log.Warn("certificate not renewed", slog.Any("error", err))
			}
		}
	}
	return c.pair, nil
}

// serverLog takes what net/http reports. Handshakes that fail are the
// internet's noise; the value of a panic may hold content.
type serverLog struct{ slog.Handler }

// Enabled implements slog.Handler; Handle knows the level only later.
func (h serverLog) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (h serverLog) Handle(ctx context.Context, r slog.Record) error {
	level, text := slog.LevelWarn, r.Message
	switch {
	case strings.HasPrefix(text, "http: TLS handshake error"):
		level, text = slog.LevelDebug, "TLS handshake failed"
	case strings.HasPrefix(text, "http: panic serving"):
		level = slog.LevelError
		if i := strings.LastIndex(text, "\ngoroutine "); i >= 0 {
			r.AddAttrs(slog.String("stack", text[i+1:]))
		}
		text = "handler panicked"
	case strings.HasPrefix(text, "http: Accept error"):
	default:
		level = slog.LevelDebug
	}
	if !h.Handler.Enabled(ctx, level) {
		return nil
	}
	out := slog.NewRecord(r.Time, level, text, 0)
	r.Attrs(func(a slog.Attr) bool { out.AddAttrs(a); return true })
	return h.Handler.Handle(ctx, out)
}
