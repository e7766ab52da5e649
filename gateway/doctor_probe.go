package gateway

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"time"
)

// A probe is a link like those to customers' files that stands for none. Only a
// gateway that has the key can read what is sealed in it, and says it again: so this
// gateway, or one that works beside it, is told from any other server at public.url.

const (
	probeHeader = "Servicelink-Probe" // what was sealed in it
	probeLife   = time.Minute
)

// probe gives the address to call and what is to come back.
func (l *links) probe(now time.Time) (address, proof string) {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // never fails
	proof = base64.RawURLEncoding.EncodeToString(raw)
	return l.sealed(fileRef{ID: proof, Expires: now.Add(probeLife)}), proof
}

// isProbe: a file always has a channel.
func (r *fileRef) isProbe() bool { return r.Channel == "" && r.URL == "" }

func answerProbe(w http.ResponseWriter, ref fileRef) {
	w.Header().Set(probeHeader, ref.ID)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}
