package email

import (
	"crypto/x509"
	"errors"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// The ways to TLS.
const (
	securityImplicit = "implicit" // TLS from the first byte
	securityStartTLS = "starttls" // a command turns it on, before anything else
	securityNone     = "none"     // everything in the open, the password too
)

// defaultTimeout is how long a mail server may be silent in a command.
const defaultTimeout = 30 * time.Second

// hostSettings are the settings of every device that talks to a mail server.
type hostSettings struct {
	Host string `yaml:"Host,required"`
	// Port; 0 = the usual one for Security.
	Port     uint16 `yaml:"Port"`
	Security string `yaml:"Security"`
	User     string `yaml:"User"`
	// Password or OAuth, not both.
	Password config.Secret  `yaml:"Password"`
	OAuth    *oauthSettings `yaml:"OAuth"`
	// CA is a file of further certificates to trust, PEM.
	CA string `yaml:"CA"`
	// Timeout is how long the server may be silent in a command.
	Timeout time.Duration `yaml:"Timeout"`
}

// oauthSettings say where access tokens come from (RFC 6749, section 6).
type oauthSettings struct {
	TokenURL     string        `yaml:"TokenURL,required"`
	ClientID     string        `yaml:"ClientID,required"`
	ClientSecret config.Secret `yaml:"ClientSecret"` // empty: a public client
	RefreshToken config.Secret `yaml:"RefreshToken,required"`
	Scope        string        `yaml:"Scope"` // empty: what the refresh token was given for
}

// mailSettings are those of every device that fetches mails.
type mailSettings struct {
	// Addresses are the gateway's own: mail from them is a loop.
	Addresses []string `yaml:"Addresses"`
	// TrustedAuthServ: whose Authentication-Results are believed (RFC 8601).
	TrustedAuthServ []string     `yaml:"TrustedAuthServ"`
	MaxSize         config.Bytes `yaml:"MaxSize"` // of one mail as it lies there
	KeepOriginal    bool         `yaml:"KeepOriginal"`
	Culture         string       `yaml:"Culture"` // of mails that do not say
}

func defaultMail() mailSettings {
	return mailSettings{MaxSize: 64 << 20, KeepOriginal: true}
}

// bounds of settings.
const (
	leastTime        = time.Second
	maxTimeout       = 10 * time.Minute
	maxPoll          = 24 * time.Hour
	minMail, maxMail = 64 << 10, 1 << 30
)

// findings collects what is wrong with the settings of one device.
type findings struct {
	settings config.Settings
	err      error
}

// decode reads the settings; what is found later is put beside its mistakes.
func decode(ch config.Channel, into any) *findings {
	return &findings{settings: ch.Settings, err: ch.Settings.Decode(into)}
}

func (f *findings) problem(key, message, hint string) {
	f.err = errors.Join(f.err, f.settings.Problem(key, message, hint))
}

func (f *findings) duration(key string, d, most time.Duration) {
	if d < leastTime || d > most {
		f.problem(key, "is not from "+shortTime(leastTime)+" to "+shortTime(most), "")
	}
}

// shortTime writes a duration without the zeroes at its end.
func shortTime(d time.Duration) string {
	s := d.String()
	for _, end := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, end) {
			s = s[:len(s)-2]
		}
	}
	return s
}

func (f *findings) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		f.problem(key, "is none of "+strings.Join(allowed, ", "), "")
	}
}

// host checks what is said of a server. login: it is nothing without a user.
func (f *findings) host(s hostSettings, login bool) {
	if s.Host != "" && !isHost(s.Host) {
		f.problem("Host", "is not the name or address of a machine", "without a port, and without imap:// or the like; the port has a setting of its own")
	}
	f.oneOf("Security", s.Security, securityImplicit, securityStartTLS, securityNone)
	f.duration("Timeout", s.Timeout, maxTimeout)
	switch {
	case s.User == "" && (login || !s.Password.IsZero() || s.OAuth != nil):
		f.problem("User", "is missing", "the name by which the server knows the mailbox, often its address")
	case s.User != "" && s.Password.IsZero() == (s.OAuth == nil):
		f.problem("Password", "must be there, or OAuth, and not both", "")
	}
	if strings.ContainsFunc(s.User, controls) {
		f.problem("User", "holds characters that cannot be sent", "")
	}
	if password := s.Password.Reveal(); strings.ContainsAny(password, "\r\n\x00") {
		f.problem("Password", "holds a line break", "a file of a secret ends where the secret ends")
	}
	if o := s.OAuth; o != nil && o.TokenURL != "" {
		u, message := httpx.Address(o.TokenURL)
		switch {
		case message != "":
			f.problem("OAuth.TokenURL", message, "where the provider gives access tokens for a refresh token")
		case u.Scheme != "https":
			f.settings.Warn("OAuth.TokenURL", "is not https: who listens on the way gets the secrets", "")
		}
	}
	if s.Security == securityNone && login {
		f.settings.Warn("Security", "is none: mails and password go over the network as they are", `use "implicit" or "starttls"`)
	}
}

// mail checks what is said of mails.
func (f *findings) mail(s mailSettings) {
	if s.MaxSize < minMail || s.MaxSize > maxMail {
		f.problem("MaxSize", "is not from 64KiB to 1GiB", `such as "64MiB"`)
	}
	for i, a := range s.Addresses {
		if !isAddress(a) {
			f.problem("Addresses["+strconv.Itoa(i)+"]", "is not a mail address", "such as support@example.org")
		}
	}
	if s.Culture != "" && !culturePattern.MatchString(s.Culture) {
		f.problem("Culture", "is not a culture", `such as "de-AT"`)
	}
}

// roots are the system's certificates and those of the file CA; nil = the system's.
// What is wrong with the file is not told apart: the core may have named it, and has
// no business in this machine's files.
func (f *findings) roots(s hostSettings) *x509.CertPool {
	if s.CA == "" {
		return nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pem, err := os.ReadFile(s.CA)
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		f.problem("CA", "cannot be read as a file of certificates", "PEM: blocks of BEGIN CERTIFICATE")
	}
	return pool
}

// parserOf makes the parser of a device.
func parserOf(s mailSettings, deps connectors.Dependencies) *parser {
	return newParser(parserSettings{
		Addresses: s.Addresses, TrustedAuthServ: s.TrustedAuthServ, Culture: s.Culture, KeepOriginal: s.KeepOriginal,
	}, deps.Files, deps.Log)
}

var (
	culturePattern = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	hostPattern    = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$`)
)

func isHost(s string) bool {
	return len(s) <= 253 && (hostPattern.MatchString(s) || net.ParseIP(s) != nil)
}

// isAddress: one "@" with something on both sides, and nothing that ends an address.
// More is the mail servers' business.
func isAddress(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && domain != "" && !strings.ContainsAny(s, " \t\r\n<>,;") && !strings.Contains(domain, "@")
}

// controls: what would end a line of a protocol.
func controls(r rune) bool { return r < ' ' || r == 0x7f }
