package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Messages is mail and short messages that go as messages, by gateways that the
// core or this file configures.
type Messages struct {
	Address  string        `yaml:"address"`  // of whom the core's register is asked; default core.peer
	Register bool          `yaml:"register"` // default true; false for a core that has none
	Refresh  time.Duration `yaml:"refresh"`  // how often it is asked, default 5m
	// SecretsDir is where the core's gateways find what they name as "file:NAME";
	// empty = nowhere.
	SecretsDir string `yaml:"secrets_dir"`
	// DropDir is below which the folders of the core's gateways lie; empty = they
	// have none.
	DropDir  string           `yaml:"drop_dir"`
	Gateways []MessageGateway `yaml:"gateways"`
}

// MessageGateway is one gateway of the file.
type MessageGateway struct {
	ID        string        `yaml:"id"` // GUID; lower case once it is read
	Name      string        `yaml:"name"`
	Direction string        `yaml:"direction"` // in: from customers | out: to them
	Device    string        `yaml:"device"`    // the type's name
	Unknown   UnknownPolicy `yaml:"unknown"`   // default: the device's
	Enabled   bool          `yaml:"enabled"`   // default true
	Settings  Settings      `yaml:"settings"`
}

// The directions of a MessageGateway.
const (
	DirectionIn  = "in"
	DirectionOut = "out"
)

// Inbound tells the direction.
func (m MessageGateway) Inbound() bool { return m.Direction == DirectionIn }

// setDefaults is called before a gateway is decoded.
func (m *MessageGateway) setDefaults() { m.Enabled = true }

// Channel is the gateway as a channel of its device's network.
func (m MessageGateway) Channel(network string) Channel {
	return Channel{
		Name: m.ID, Network: network, Enabled: m.Enabled, Culture: "en", Unknown: m.Unknown,
		WhenClosed: Hold, Confirm: ConfirmAccepted, Settings: m.Settings,
		Gateway: &Gateway{ID: m.ID, Name: m.Name, Inbound: m.Inbound(), Device: m.Device},
	}
}

// Problem makes a Problem at a key of the gateway, such as "device".
func (m MessageGateway) Problem(key, message, hint string) Problem {
	return Channel{Settings: m.Settings}.Problem(key, message, hint)
}

// fillMessages sets the defaults that depend on other keys.
func (c *Config) fillMessages() {
	if c.Messages.Address == "" {
		c.Messages.Address = c.Core.Peer
	}
	for i := range c.Messages.Gateways {
		m := &c.Messages.Gateways[i]
		if id, err := uuid.Parse(m.ID); err == nil && len(m.ID) == guidLength {
			m.ID = id.String()
		}
		if m.Name == "" {
			m.Name = m.ID
		}
	}
}

// guidLength is that of the one way in which a GUID is written here.
const guidLength = 36

func (v *validator) messages() {
	messages := v.cfg.Messages
	if messages.Address != v.cfg.Core.Peer {
		v.printable("messages.address", messages.Address)
	}
	v.duration("messages.refresh", messages.Refresh, 30*time.Second, 24*time.Hour)
	v.folder("messages.secrets_dir", messages.SecretsDir)
	v.folder("messages.drop_dir", messages.DropDir)
	names := make(map[string]string)
	for i, channel := range v.cfg.Channels {
		names[channel.Name] = fmt.Sprintf("the name of channels[%d]", i)
	}
	for i, m := range messages.Gateways {
		path := fmt.Sprintf("messages.gateways[%d]", i)
		v.gateway(path, m)
		if other := names[m.ID]; other != "" && m.ID != "" {
			v.fail(join(path, "id"), "is the same as "+other, "")
		}
		names[m.ID] = "that of " + path
	}
}

func (v *validator) gateway(path string, m MessageGateway) {
	id, err := uuid.Parse(m.ID)
	if err != nil || len(m.ID) != guidLength || id == uuid.Nil {
		v.fail(join(path, "id"), "must be a GUID", "as the core knows the gateway, or a new one: the output of uuidgen")
	}
	if line := strings.TrimSpace(m.Name); len([]rune(line)) > maxNameRunes || strings.ContainsAny(line, "\r\n\t") {
		v.fail(join(path, "name"), fmt.Sprintf("must be one line of at most %d characters", maxNameRunes), "")
	}
	oneOf(v, join(path, "direction"), m.Direction, DirectionIn, DirectionOut)
	if m.Device == "" {
		v.fail(join(path, "device"), "is missing", "such as ImapHost")
	}
	if m.Unknown != "" {
		oneOf(v, join(path, "unknown"), m.Unknown, Resend, Report)
		if m.Direction == DirectionIn {
			v.fail(join(path, "unknown"), "is for the direction out only", "")
		}
	}
}

// folder checks a folder that the core's gateways may name files of.
func (v *validator) folder(path, name string) {
	if name == "" {
		return
	}
	if !filepath.IsAbs(name) {
		v.fail(path, "must be an absolute path", "")
	} else if info, err := os.Stat(name); err != nil {
		v.fail(path, "cannot be read: "+withoutPath(err).Error(), "")
	} else if !info.IsDir() {
		v.fail(path, "is not a folder", "")
	}
}
