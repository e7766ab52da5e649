// Package config reads the gateway's one YAML file: strict, every mistake at
// once with line and column, secrets by reference. It knows no network: the
// settings of a channel stay an undecoded node which the connector decodes
// with Settings.Decode, so that its mistakes have positions too.
//
// The package imports nothing else of this module.
package config

import (
	"net/netip"
	"time"
)

// Config is the whole file, defaults filled in.
type Config struct {
	// Path is where it was read from.
	Path     string    `yaml:"-"`
	Core     Core      `yaml:"core"`
	Journal  Journal   `yaml:"journal"`
	Public   Public    `yaml:"public"`
	Private  Private   `yaml:"private"`
	Egress   Egress    `yaml:"egress"`
	Media    Media     `yaml:"media"`
	Files    Files     `yaml:"files"`
	Texts    Texts     `yaml:"texts"`
	Limits   Limits    `yaml:"limits"`
	Log      Log       `yaml:"log"`
	Tracing  Tracing   `yaml:"tracing"`
	Messages Messages  `yaml:"messages"`
	Channels []Channel `yaml:"channels"`
	// Warnings are not mistakes: a secret written out in the file, say.
	Warnings []Problem `yaml:"-"`
}

// Core is how to reach the core chat server.
type Core struct {
	Address         string        `yaml:"address"`          // host:port
	Peer            string        `yaml:"peer"`             // default "@servicelink"
	Account         string        `yaml:"account"`          // SP_LOGIN
	Secret          Secret        `yaml:"secret"`           // SP_LOGIN
	Instance        string        `yaml:"instance"`         // default host name + hash, see InstanceName
	Encoding        string        `yaml:"encoding"`         // msgpack (default) | json
	Login           bool          `yaml:"login"`            // default true; false for a core without SP_*
	Settle          time.Duration `yaml:"settle"`           // default 2s; used when the core has no fence
	Window          int           `yaml:"window"`           // default 256 unanswered sentences
	UnknownOutbound UnknownPolicy `yaml:"unknown_outbound"` // report (default) | send
	TLS             *CoreTLS      `yaml:"tls"`
}

// CoreTLS turns TLS on for the link to the core.
type CoreTLS struct {
	CA         string `yaml:"ca"`   // file; empty = the system's
	Cert       string `yaml:"cert"` // file, with Key: mutual TLS
	Key        string `yaml:"key"`
	ServerName string `yaml:"server_name"`
}

// Journal is where taken messages are kept.
type Journal struct {
	Driver      string        `yaml:"driver"`       // sqlite (default) | memory
	Path        string        `yaml:"path"`         // default data/journal.db
	MaxBytes    Bytes         `yaml:"max_bytes"`    // default 10GiB
	KeepContent time.Duration `yaml:"keep_content"` // default 48h
	KeepIDs     time.Duration `yaml:"keep_ids"`     // default 192h
}

// Public is the listener for webhooks.
type Public struct {
	Listen         string         `yaml:"listen"` // default 127.0.0.1:8080
	URL            string         `yaml:"url"`    // how the networks reach it
	TLS            *ServerTLS     `yaml:"tls"`
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"`
}

// ServerTLS is a certificate and its key.
type ServerTLS struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// Private is the listener for metrics, health and the admin API.
type Private struct {
	Listen string `yaml:"listen"` // default 127.0.0.1:9090
	Token  Secret `yaml:"token"`  // required off loopback
}

// Egress guards connections to addresses that come from outside.
type Egress struct {
	Allow []netip.Prefix `yaml:"allow"` // private ranges that are allowed all the same
	Proxy string         `yaml:"proxy"` // http(s)://host:port; empty = none
	CA    string         `yaml:"ca"`    // extra CA file
}

// Media is how customers' files are given on, and agents' files fetched.
type Media struct {
	// Key seals the links to customers' files. Not set: derived from core.secret,
	// which every instance of one core has.
	Key      Secret        `yaml:"key"`
	TTL      time.Duration `yaml:"ttl"`       // of a link, default 48h
	MaxBytes Bytes         `yaml:"max_bytes"` // of one file, default 50MiB
}

// Files is where attachments of messages, and the messages as they came, are kept.
type Files struct {
	// Path is the folder; default: the journal's path and ".files". With the memory
	// journal there is none unless it is set.
	Path     string        `yaml:"path"`
	Keep     time.Duration `yaml:"keep"`      // default 720h; links to them end with it
	MaxBytes Bytes         `yaml:"max_bytes"` // of all of them, default 20GiB
}

// FilesPath is where files of messages are kept; empty = nowhere.
func (c *Config) FilesPath() string {
	if c.Files.Path != "" || c.Journal.Driver == "memory" {
		return c.Files.Path
	}
	return c.Journal.Path + ".files"
}

// Texts are what customers read, by culture.
type Texts struct {
	Closed map[string]string `yaml:"closed"`
	Hidden map[string]string `yaml:"hidden"`
}

// Limits of time that operators may change.
type Limits struct {
	Deadline time.Duration `yaml:"deadline"` // of an outbound message, default 24h
	Stop     time.Duration `yaml:"stop"`     // budget of a graceful stop, default 15s
	// RecoverAfter is how long a network's webhook has to bring a message, and how
	// often lost ones are looked for, where a network lists what it received.
	// Default 3m.
	RecoverAfter time.Duration `yaml:"recover_after"`
	// WatchEvery is how often every channel is examined: how it is set up at its
	// network, and whether the network's calls get here. Default 15m.
	WatchEvery time.Duration `yaml:"watch_every"`
}

// Log is how much is logged.
type Log struct {
	Level  string `yaml:"level"`  // debug | info (default) | warn | error
	Format string `yaml:"format"` // text (default) | json
}

// Tracing is where traces of messages go. Without an endpoint there are none.
type Tracing struct {
	Endpoint string            `yaml:"endpoint"` // http(s) URL of an OTLP receiver; default empty: off
	Sample   float64           `yaml:"sample"`   // share of messages, default 0.05
	Service  string            `yaml:"service"`  // service.name, default "servicelink"
	Headers  map[string]Secret `yaml:"headers"`  // of every export
}

// Channel is one configured account of a network.
type Channel struct {
	Name       string        `yaml:"name"`
	Network    string        `yaml:"network"`
	Enabled    bool          `yaml:"enabled"`     // default true
	Port       string        `yaml:"port"`        // default: Name
	Culture    string        `yaml:"culture"`     // default "en"
	Unknown    UnknownPolicy `yaml:"unknown"`     // default: the connector's
	WhenClosed WhenClosed    `yaml:"when_closed"` // hold (default; memory journal: answer) | answer
	Confirm    ConfirmWhen   `yaml:"confirm"`     // accepted (default) | delivered
	// TechNotes passes the agent's side's tech notes (Model 2) to the customer. Default false.
	TechNotes bool     `yaml:"tech_notes"`
	Settings  Settings `yaml:"settings"`
	// Gateway is set for a message gateway; Name is its id, Network its device's.
	Gateway *Gateway `yaml:"-"`
}

// Gateway is what is known of a message gateway beside its device's settings: mail
// and short messages that go as messages, in one direction.
type Gateway struct {
	ID      string // GUID, lower case
	Name    string // for people
	Inbound bool   // from customers; else to them
	Device  string // the type's name
	// Registered: the core configured it, not the file.
	Registered bool
	// DropDir is below which a device's folder has to lie, as long as it is
	// Registered; then empty = it may name none.
	DropDir string
}

// UnknownPolicy is what happens when a send's fate is unknown.
type UnknownPolicy string

// The policies. The empty value means: the default of the place.
const (
	Resend UnknownPolicy = "resend"
	Report UnknownPolicy = "report"
	Send   UnknownPolicy = "send" // core.unknown_outbound only
)

// WhenClosed is what happens to a customer's message while the core is closed.
type WhenClosed string

// The choices.
const (
	Hold   WhenClosed = "hold"
	Answer WhenClosed = "answer"
)

// ConfirmWhen is when the core is told that the customer has a message.
type ConfirmWhen string

// The choices: when the network has taken it, or when the network reports that
// the customer's device has it.
const (
	ConfirmAccepted  ConfirmWhen = "accepted"
	ConfirmDelivered ConfirmWhen = "delivered"
)

// Bytes is a size, written "10GiB", "512MiB", "64KiB" or a plain number.
type Bytes int64
