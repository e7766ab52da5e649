package egress

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	for _, tc := range []struct {
		addr   string
		public bool
	}{
		{"8.8.8.8", true},
		{"172.32.0.1", true},
		{"100.128.0.1", true},
		{"2606:4700::1111", true},
		{"::ffff:8.8.8.8", true}, // the same as 8.8.8.8
		{"0.0.0.0", false},
		{"0.1.2.3", false},
		{"10.0.0.1", false},
		{"100.64.0.1", false},
		{"100.127.255.255", false},
		{"127.0.0.1", false},
		{"127.255.255.254", false},
		{"169.254.169.254", false},
		{"172.16.0.1", false},
		{"172.31.255.255", false},
		{"192.0.0.8", false},
		{"192.0.2.1", false},
		{"192.88.99.1", false},
		{"192.168.1.1", false},
		{"198.18.0.1", false},
		{"198.51.100.1", false},
		{"203.0.113.1", false},
		{"224.0.0.1", false},
		{"239.255.255.250", false},
		{"240.0.0.1", false},
		{"255.255.255.255", false},
		{"::", false},
		{"::1", false},
		{"::127.0.0.1", false},
		{"::ffff:127.0.0.1", false},
		{"::ffff:10.0.0.1", false},
		{"64:ff9b::7f00:1", false},
		{"64:ff9b:1::1", false},
		{"100::1", false},
		{"2001::1", false},
		{"2001:db8::1", false},
		{"2002:7f00:1::", false},
		{"3fff::1", false},
		{"5f00::1", false},
		{"fc00::1", false},
		{"fd12::1", false},
		{"fe80::1", false},
		{"fe80::1%eth0", false},
		{"fec0::1", false},
		{"ff02::1", false},
	} {
		err := Guard{}.Check(netip.MustParseAddr(tc.addr))
		if tc.public != (err == nil) || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("Check(%s) = %v, public is %v", tc.addr, err, tc.public)
		}
	}
	if err := (Guard{}).Check(netip.Addr{}); err == nil {
		t.Error("no address at all is let through")
	}
}

func TestGuardAllow(t *testing.T) {
	g := Guard{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fe80::/10")}}
	for addr, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "fe80::1%eth0": true,
		"10.2.0.1": false, "127.0.0.1": false, "2002:a01:203::": false,
	} {
		if err := g.Check(netip.MustParseAddr(addr)); (err == nil) != want {
			t.Errorf("Check(%s) = %v, want let through: %v", addr, err, want)
		}
	}
}

// TestGuardControl: what the dialer hands over is always judged, never waved
// through for being unreadable.
func TestGuardControl(t *testing.T) {
	for address, want := range map[string]bool{
		"8.8.8.8:443": true, "[2606:4700::1]:443": true,
		"127.0.0.1:443": false, "[::1]:443": false, "8.8.8.8": false, "localhost:443": false, "": false,
	} {
		if err := (Guard{}).control("tcp", address, nil); (err == nil) != want {
			t.Errorf("control(%q) = %v, want let through: %v", address, err, want)
		}
	}
}

// oddHosts mean a private address to resolvers, browsers and proxies, and are no
// address to netip.
var oddHosts = []string{
	"2130706433", "0x7f000001", "017700000001", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.1", "0X7F.1", "10.0.0.1.",
	"0", "0x", "0B0", "127.0b1", "169.254.169.254.", "1.2.3.4.5", "127.0.0.01", "localhost", "LocalHost", "localhost.", "a.localhost", "", ".",
}

func TestCheckHost(t *testing.T) {
	for _, host := range oddHosts {
		if err := (Guard{}).CheckHost(host); !errors.Is(err, ErrRefused) {
			t.Errorf("CheckHost(%q) = %v", host, err)
		}
	}
	for _, host := range []string{"8.8.8.8", "files.example.com", "files.example.com.", "10.example", "1e100.net", "0xdead.beef.example", "\u0444.example", "xn--d1acufc"} {
		if err := (Guard{}).CheckHost(host); err != nil {
			t.Errorf("CheckHost(%q) = %v", host, err)
		}
	}
	inside := Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	for host, want := range map[string]bool{"localhost": true, "127.0.0.1": true, "127.1": false, "10.0.0.1": false} {
		if err := inside.CheckHost(host); (err == nil) != want {
			t.Errorf("with loopback allowed: CheckHost(%q) = %v", host, err)
		}
	}
}

// FuzzCheckHost: a host that passes is a public address, or a name that no reader
// of addresses takes for one.
func FuzzCheckHost(f *testing.F) {
	for _, host := range append(oddHosts, "8.8.8.8", "files.example.com", "::1", "\uff11\uff12\uff17.0.0.1") {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if (Guard{}).checkProxied(host) != nil {
			return
		}
		if addr, err := netip.ParseAddr(host); err == nil {
			if err := (Guard{}).Check(addr); err != nil {
				t.Fatalf("%q: %v", host, err)
			}
			return
		}
		for _, r := range host {
			if r > 0x7e || r <= ' ' {
				t.Fatalf("%q holds what is mapped on the way", host)
			}
		}
		labels := strings.Split(strings.TrimSuffix(host, "."), ".")
		if _, err := strconv.ParseUint(labels[len(labels)-1], 0, 64); err == nil {
			t.Fatalf("%q ends in a number", host)
		}
	})
}
