//go:build chaos

package chaos

import (
	"fmt"
	"os/exec"
	"strings"
)

// The addresses in the house; nobody else is there.
const (
	host        = "127.0.0.1"
	corePort    = "7001" // SimProt
	coreHTTP    = host + ":7002"
	netsimHTTP  = host + ":7003"
	networkPort = "7004" // in front of netsim: where the gateway finds the networks
	publicPort  = "7005" // webhooks
	private     = host + ":7006"
	otherPublic = host + ":7007" // of a second gateway
	otherPrivat = host + ":7008"
	goneAddress = host + ":7009" // nobody listens
)

// link is one of the ways between processes, known by its server's port.
type link string

const (
	coreLink    link = corePort
	networkLink link = networkPort
	webhookLink link = publicPort
)

var linkNames = map[link]string{
	coreLink: "gateway-core", networkLink: "gateway-network", webhookLink: "network-webhook",
}

// linkFault is what the packet filter does to a link.
type linkFault string

const (
	noFault  linkFault = ""
	linkCut  linkFault = "cut"  // each side is reset when it next sends
	linkDead linkFault = "dead" // packets vanish both ways: nobody is told
	linkDeaf linkFault = "deaf" // what the server sends vanishes, acknowledgements included
	linkMute linkFault = "mute" // what the client sends vanishes
	linkSlow linkFault = "slow" // 24 kB a second each way, the rest vanishes
	linkLoss linkFault = "loss" // a third of the packets vanishes
)

var linkFaults = []linkFault{linkCut, linkDead, linkDeaf, linkMute, linkSlow, linkLoss}

// filter replaces the packet filter of the house by one fault on some links.
func filter(f linkFault, links []link) error {
	var rules []string
	for _, l := range links {
		request, answer := "tcp dport "+string(l), "tcp sport "+string(l)
		switch f {
		case linkCut:
			rules = append(rules, request+" reject with tcp reset", answer+" reject with tcp reset")
		case linkDead:
			rules = append(rules, request+" drop", answer+" drop")
		case linkDeaf:
			rules = append(rules, answer+" drop")
		case linkMute:
			rules = append(rules, request+" drop")
		case linkSlow:
			for _, way := range []string{request, answer} {
				rules = append(rules, way+" limit rate over 24 kbytes/second burst 4 kbytes drop")
			}
		case linkLoss:
			for _, way := range []string{request, answer} {
				rules = append(rules, way+" numgen random mod 3 0 drop")
			}
		}
	}
	script := "table inet chaos\ndelete table inet chaos\ntable inet chaos {\n" +
		"chain out { type filter hook output priority 0; policy accept;\n" + strings.Join(rules, "\n") + "\n}\n}\n"
	cmd := exec.Command("nft", "-f", "-") //nolint:noctx // short
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	return nil
}
