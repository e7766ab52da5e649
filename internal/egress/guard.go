package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
)

// ErrRefused is what the guard answers. It names no address: the target
// may come from outside, and the error goes into logs.
var ErrRefused = errors.New("address is not public and not listed in egress.allow")

// reserved are the ranges that are no public unicast addresses, beyond what
// netip's own predicates know. IPv6 is refused outside 2000::/3 as a whole,
// which covers loopback, NAT64 (64:ff9b::/96), unique local, link-local and
// multicast; listed here is what is special inside it.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // "this network"
	netip.MustParsePrefix("100.64.0.0/10"),   // carrier-grade NAT
	netip.MustParsePrefix("192.0.0.0/24"),    // IETF protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, and broadcast
	netip.MustParsePrefix("2001::/23"),       // Teredo and other protocols
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4: holds any IPv4 address
	netip.MustParsePrefix("3fff::/20"),       // documentation
}

var globalUnicast6 = netip.MustParsePrefix("2000::/3")

// Guard decides which addresses may be connected to.
type Guard struct {
	// Allow lists ranges that are let through although they are not public.
	Allow []netip.Prefix
}

// Check returns nil for a public unicast address and for one inside Allow.
// An IPv4 address written as IPv6 is judged as what it is.
func (g Guard) Check(addr netip.Addr) error {
	addr = addr.Unmap().WithZone("")
	for _, p := range g.Allow {
		if p.Contains(addr) {
			return nil
		}
	}
	if !addr.IsValid() || !addr.IsGlobalUnicast() || addr.IsPrivate() ||
		addr.Is6() && !globalUnicast6.Contains(addr) {
		return ErrRefused
	}
	for _, p := range reserved {
		if p.Contains(addr) {
			return ErrRefused
		}
	}
	return nil
}

// CheckHost judges a host that is written as an address. A name is judged when it
// is resolved, except for what every resolver takes for an address: localhost,
// and addresses in forms of old (127.1, 0x7f000001, 2130706433, a dot behind it).
// Behind a proxy no dial of ours follows, so this is all there is.
func (g Guard) CheckHost(host string) error {
	if addr, err := netip.ParseAddr(host); err == nil {
		return g.Check(addr)
	}
	name := strings.TrimSuffix(host, ".")
	switch last := name[strings.LastIndexByte(name, '.')+1:]; {
	case strings.EqualFold(last, "localhost"):
		if g.Check(loopback4) != nil && g.Check(netip.IPv6Loopback()) != nil {
			return ErrRefused
		}
	case last == "" || endsInNumber(last):
		return ErrRefused // no top level domain is one
	}
	return nil
}

var loopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// endsInNumber is the rule of the URL standard for hosts that are to be read as
// IPv4 addresses: their last label is a decimal, octal or hexadecimal number. Of
// C's readers the newest take 0b for one, too.
func endsInNumber(label string) bool {
	if _, err := strconv.ParseUint(label, 0, 64); err == nil {
		return true
	}
	digits := "0123456789"
	if len(label) > 1 && (label[:2] == "0x" || label[:2] == "0X") {
		label, digits = label[2:], "0123456789abcdefABCDEF"
	}
	return strings.Trim(label, digits) == ""
}

// checkProxied judges what a proxy is asked for. Letters beyond ASCII would be
// mapped on the way: a full-width 1 becomes a digit, a circled one too. Such
// names have a form in ASCII (xn--...).
func (g Guard) checkProxied(host string) error {
	if strings.IndexFunc(host, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 {
		return ErrRefused
	}
	return g.CheckHost(host)
}

// control is net.Dialer's hook: it sees the address a name was resolved to, in
// the moment of connecting, so that a name cannot mean another one by then.
func (g Guard) control(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%w: no port", ErrRefused)
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("%w: no address", ErrRefused)
	}
	return g.Check(addr)
}
