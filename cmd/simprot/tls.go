package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
)

// certificates sets up TLS on either side of the proxy as configured.
func (p *proxy) certificates(o *proxyOptions) error {
	host, _, err := net.SplitHostPort(o.to)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	if o.cert != "" {
		pair, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return fmt.Errorf("--tls-cert, --tls-key: %w", err)
		}
		p.fromGateways = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	}
	if !o.coreTLS && o.coreCA == "" {
		return nil
	}
	p.toCore = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if o.coreCA == "" {
		return nil
	}
	text, err := os.ReadFile(o.coreCA)
	if err != nil {
		return fmt.Errorf("--core-ca: %w", err)
	}
	p.toCore.RootCAs = x509.NewCertPool()
	if !p.toCore.RootCAs.AppendCertsFromPEM(text) {
		return fmt.Errorf("--core-ca: no certificate in %s", o.coreCA)
	}
	return nil
}
