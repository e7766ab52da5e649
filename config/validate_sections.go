package config

import (
	"crypto/tls"
	"crypto/x509"
	"regexp"
	"strings"
	"time"
)

// Limits of single values.
const (
	maxWindow    = 10_000
	minJournal   = 1 << 20 // bytes
	maxNameRunes = 64      // of peer, instance and port
	maxText      = 1000    // characters of a text customers read
	minMediaKey  = 16      // bytes
	minMedia     = 64 << 10
	maxMedia     = 2 << 30
	minFiles     = 64 << 20
)

// networkMemory is how long the most patient network repeats a message it was
// not told to be safe.
const networkMemory = 7 * 24 * time.Hour

func (v *validator) core() {
	core := v.cfg.Core
	v.address("core.address", core.Address, false)
	v.printable("core.peer", core.Peer)
	if core.Instance != "" {
		v.printable("core.instance", core.Instance)
	}
	oneOf(v, "core.encoding", core.Encoding, "msgpack", "json")
	oneOf(v, "core.unknown_outbound", core.UnknownOutbound, Report, Send)
	v.duration("core.settle", core.Settle, 0, time.Minute)
	if core.Window < 1 || core.Window > maxWindow {
		v.fail("core.window", "must be from 1 to 10000", "")
	}
	if core.Login {
		v.printable("core.account", core.Account)
		if core.Secret.IsZero() {
			v.fail("core.secret", "is missing", `the core asks for it at login; "login: false" is for a core that does not`)
		}
	}
	if core.TLS == nil {
		return
	}
	if core.TLS.CA != "" {
		v.authority("core.tls.ca", core.TLS.CA)
	}
	if core.TLS.Cert != "" || core.TLS.Key != "" {
		v.certificate("core.tls", core.TLS.Cert, core.TLS.Key)
	}
	if name := core.TLS.ServerName; name != "" && !validHost(name) {
		v.fail("core.tls.server_name", "must be a host name or an IP address", "")
	}
}

func (v *validator) journal() {
	journal := v.cfg.Journal
	switch journal.Driver {
	case "sqlite":
		if journal.Path == "" {
			v.fail("journal.path", "must not be empty", "")
		}
	case "postgres":
		v.fail("journal.driver", "postgres comes later", "use sqlite, or memory to keep no files")
	default:
		oneOf(v, "journal.driver", journal.Driver, "sqlite", "memory")
	}
	if journal.MaxBytes < minJournal {
		v.fail("journal.max_bytes", "must be at least 1MiB", "")
	}
	const most = 10 * 365 * 24 * time.Hour
	v.duration("journal.keep_content", journal.KeepContent, time.Second, most)
	v.duration("journal.keep_ids", journal.KeepIDs, time.Second, most)
	if journal.KeepIDs < journal.KeepContent {
		v.fail("journal.keep_ids", "must not be shorter than journal.keep_content", "")
	}
	if journal.KeepIDs < networkMemory {
		v.warn("journal.keep_ids", "is shorter than networks repeat a message", "a repeat after that is shown twice; the default is 192h")
	}
}

func (v *validator) public() {
	public := v.cfg.Public
	v.address("public.listen", public.Listen, true)
	if public.URL != "" {
		if u, ok := v.webURL("public.url", public.URL); ok {
			v.cfg.Public.URL = strings.TrimSuffix(u.String(), "/")
		}
	}
	if public.TLS != nil {
		v.certificate("public.tls", public.TLS.Cert, public.TLS.Key)
	}
}

func (v *validator) private() {
	private := v.cfg.Private
	host, ok := v.address("private.listen", private.Listen, true)
	if !ok {
		return
	}
	if !loopback(host) && private.Token.IsZero() {
		v.fail("private.token", "is missing", "private.listen can be reached from other machines; set a token, or listen on 127.0.0.1")
	}
	if private.Listen == v.cfg.Public.Listen && !strings.HasSuffix(private.Listen, ":0") {
		v.fail("private.listen", "must differ from public.listen", "")
	}
}

func (v *validator) egress() {
	egress := v.cfg.Egress
	for _, allowed := range egress.Allow {
		if allowed.IsValid() && allowed.Bits() == 0 {
			v.warn("egress.allow", "allows every address", "list only the private ranges that are needed")
		}
	}
	if egress.Proxy != "" {
		if u, ok := v.webURL("egress.proxy", egress.Proxy); ok && strings.Trim(u.Path, "/") != "" {
			v.fail("egress.proxy", "must not hold a path", `such as "http://proxy.example.com:3128"`)
		}
	}
	if egress.CA != "" {
		v.authority("egress.ca", egress.CA)
	}
}

func (v *validator) media() {
	media := v.cfg.Media
	if !media.Key.IsZero() && len(media.Key.Reveal()) < minMediaKey {
		v.fail("media.key", "must have at least 16 characters", "such as the output of: openssl rand -base64 32")
	}
	if media.Key.IsZero() && v.cfg.Core.Secret.IsZero() && v.cfg.Public.URL != "" {
		v.warn("media.key", "is missing, and there is no core.secret to derive it from",
			"links to customers' files end with the process that made them")
	}
	v.duration("media.ttl", media.TTL, time.Minute, 30*24*time.Hour)
	if media.MaxBytes < minMedia || media.MaxBytes > maxMedia {
		v.fail("media.max_bytes", "must be from 64KiB to 2GiB", "")
	}
}

func (v *validator) files() {
	files := v.cfg.Files
	v.duration("files.keep", files.Keep, time.Hour, 10*365*24*time.Hour)
	if files.MaxBytes < minFiles {
		v.fail("files.max_bytes", "must be at least 64MiB", "")
	}
}

// culture is a language, with a script or a region if need be: en, zh-Hant, de-AT.
var culture = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$`)

const cultureHint = "a language such as en, or with a region such as de-AT"

func (v *validator) texts(path string, texts map[string]string) {
	for key, text := range texts {
		at := join(path, shorten(key))
		switch {
		case !culture.MatchString(key):
			v.fail(at, "is not a culture", cultureHint)
		case strings.TrimSpace(text) == "":
			v.fail(at, "must not be empty", "")
		case len([]rune(text)) > maxText:
			v.fail(at, "must have at most 1000 characters", "")
		}
	}
}

// certificate checks that a pair of files can be used.
func (v *validator) certificate(path, cert, key string) {
	for name, file := range map[string]string{"cert": cert, "key": key} {
		if file == "" {
			v.fail(join(path, name), "is missing", "cert and key go together")
		} else if _, err := readFile(file, maxFileBytes); err != nil {
			v.fail(join(path, name), "cannot be read: "+err.Error(), "")
		}
	}
	if v.complained(path) {
		return
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		v.fail(join(path, "cert"), "and key are not a certificate and its key in PEM", "")
	}
}

func (v *validator) complained(path string) bool {
	for _, p := range v.problems {
		if strings.HasPrefix(p.Path, path+".") {
			return true
		}
	}
	return false
}

// authority checks a file of certificates.
func (v *validator) authority(path, file string) {
	data, err := readFile(file, maxFileBytes)
	if err != nil {
		v.fail(path, "cannot be read: "+err.Error(), "")
	} else if !x509.NewCertPool().AppendCertsFromPEM(data) {
		v.fail(path, "holds no certificate in PEM", "")
	}
}
