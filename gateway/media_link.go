package gateway

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"servicelink/config"
	"servicelink/connectors"
)

// mediaPath is where customers' files are given out, on the public listener.
const mediaPath = "/media/"

// maxLink bounds the sealed part of a link, in characters, so that it stays well
// within what servers and proxies take as a request line.
const maxLink = 4096

// fileRef is what a link stands for. It is sealed into the link, so that nothing
// has to be stored and every instance with the same key can serve it.
type fileRef struct {
	Channel string
	ID      string // the network's id of the file
	URL     string // where it lies; empty for a connector that opens it by ID
	Type    string // as the network told it; may be empty
	Name    string // for who saves it; may be empty
	Size    int64  // bytes; 0 = not told
	Expires time.Time
}

// Why a link cannot be followed.
var (
	errLinkForm    = errors.New("not a link of this gateway: cut, or changed on its way")
	errLinkForged  = errors.New("not sealed with this gateway's key")
	errLinkExpired = errors.New("the link has expired")
)

// links makes and reads links to customers' files.
type links struct {
	base string // public.url + mediaPath
	seal cipher.AEAD
	ttl  time.Duration
}

// Labels bind what is derived and sealed to its purpose and version.
const (
	linkKeyLabel = "servicelink media link key 1"
	linkLabel    = "servicelink media link 1"
)

// newLinks makes the links of one configuration; nil without public.url, as
// nobody could follow them. Without any secret the key is random: links end with
// the process then.
func newLinks(cfg *config.Config) (*links, error) {
	if cfg.Public.URL == "" {
		return nil, nil //nolint:nilnil // no links is no mistake
	}
	secret := []byte(cfg.Media.Key.Reveal())
	if len(secret) == 0 {
		secret = []byte(cfg.Core.Secret.Reveal())
	}
	if len(secret) == 0 {
		secret = make([]byte, sha256.Size)
		_, _ = rand.Read(secret) // never fails
	}
	key, err := hkdf.Key(sha256.New, secret, nil, linkKeyLabel, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	// A random nonce in each link: good for 2^32 links with one key.
	seal, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &links{base: strings.TrimSuffix(cfg.Public.URL, "/") + mediaPath, seal: seal, ttl: cfg.Media.TTL}, nil
}

// make gives the link to a file for the time configured; empty when it would be
// longer than can be served.
func (l *links) make(ref fileRef, now time.Time) string {
	ref.Expires = now.Add(l.ttl)
	return l.sealed(ref)
}

// sealed is the link itself.
func (l *links) sealed(ref fileRef) string {
	sealed := l.seal.Seal(nil, nil, ref.encode(), []byte(linkLabel)) //nolint:gosec // this AEAD makes its own nonce
	if base64.RawURLEncoding.EncodedLen(len(sealed)) > maxLink {
		return ""
	}
	return l.base + base64.RawURLEncoding.EncodeToString(sealed)
}

// open reads the sealed part of a link. With errLinkExpired the reference is
// given all the same: what it says is still true.
func (l *links) open(opaque string, now time.Time) (fileRef, error) {
	if len(opaque) > maxLink || strings.ContainsAny(opaque, "\r\n") { // the decoder skips line ends
		return fileRef{}, errLinkForm
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(opaque)
	if err != nil || len(sealed) <= l.seal.Overhead() {
		return fileRef{}, errLinkForm
	}
	plain, err := l.seal.Open(nil, nil, sealed, []byte(linkLabel))
	if err != nil {
		return fileRef{}, errLinkForged
	}
	ref, err := decodeFileRef(plain)
	if err == nil && !now.Before(ref.Expires) {
		err = errLinkExpired
	}
	return ref, err
}

// own gives the sealed part of an address that is one of these links.
func (l *links) own(address string) (opaque string, ok bool) {
	if l == nil {
		return "", false
	}
	if opaque, ok = strings.CutPrefix(address, l.base); ok {
		opaque, _, _ = strings.Cut(opaque, "?") // not looked at when it is followed either
	}
	return opaque, ok
}

// encode writes the numbers as uvarints, then each text after its length.
func (r *fileRef) encode() []byte {
	b := binary.AppendUvarint(nil, uint64(max(r.Expires.Unix(), 0)))
	b = binary.AppendUvarint(b, uint64(max(r.Size, 0)))
	for _, text := range r.texts() {
		b = binary.AppendUvarint(b, uint64(len(*text)))
		b = append(b, *text...)
	}
	return b
}

func (r *fileRef) texts() [5]*string {
	return [...]*string{&r.Channel, &r.ID, &r.URL, &r.Type, &r.Name}
}

// decodeFileRef reads what encode wrote. What it reads was sealed by this
// program, perhaps by another version of it.
func decodeFileRef(b []byte) (r fileRef, err error) {
	number := func() (n uint64) {
		n, used := binary.Uvarint(b)
		if used <= 0 {
			err, b = errLinkForm, nil
			return 0
		}
		b = b[used:]
		return n
	}
	r.Expires = time.Unix(int64(number()&(1<<40-1)), 0)
	r.Size = int64(number() & (1<<62 - 1))
	for _, text := range r.texts() {
		n := number()
		if n > uint64(len(b)) {
			return fileRef{}, errLinkForm
		}
		*text, b = string(b[:n]), b[n:]
	}
	if err != nil || len(b) > 0 {
		return fileRef{}, errLinkForm
	}
	return r, nil
}

// announced is a customer's file as the core hears of it: with a link of ours in
// place of its address at the network. Without public.url there are no links; a
// public address is told as it is then.
func (m *media) announced(channel string, f *connectors.File, now time.Time) *connectors.File {
	if m == nil || f == nil {
		return f
	}
	out := *f
	out.TooBig = f.TooBig || f.Size > m.limit
	if m.links == nil || out.TooBig {
		return &out
	}
	ref := fileRef{Channel: channel, URL: f.URL, Type: f.Type, Name: fileName(f.Name), Size: f.Size}
	if f.URL == "" {
		ref.ID = f.ID
	}
	out.URL = m.links.make(ref, now)
	return &out
}
