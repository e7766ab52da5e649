package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// benchKey signs the bodies of the bare handler's runs.
var benchKey = []byte("the key of the bare handler")

// sign gives the hex HMAC-SHA256 of body.
func sign(body []byte) string {
	mac := hmac.New(sha256.New, benchKey)
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// serveBare is the yardstick: it reads the body, checks its HMAC and answers
// 200. It prints its address and serves until it is killed.
func serveBare(out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // lives as long as the process
	if err != nil {
		return err
	}
	fmt.Fprintln(out, l.Addr())
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
			if err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			if !hmac.Equal([]byte(r.Header.Get("X-Signature")), []byte(sign(body))) {
				w.WriteHeader(http.StatusForbidden)
			}
		}),
	}
	return server.Serve(l)
}
