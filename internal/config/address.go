package config

import (
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

var onlyDigits = regexp.MustCompile(`^[0-9]+$`)

// parseAddress checks host:port. The host is an IP address, localhost (taken as
// 127.0.0.1) or nothing, which is every interface. shown is what an error calls
// it.
func parseAddress(s, shown string) (string, *flaw) {
	if onlyDigits.MatchString(s) {
		// Nothing listens beyond this machine unless the file says so, and a
		// bare number says neither.
		return "", &flaw{shown + " does not say on which interfaces",
			"write 127.0.0.1:" + shown + " for this machine only, :" + shown + " for all interfaces"}
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", &flaw{shown + " is no address", "write host:port, such as 127.0.0.1:8080, [::1]:8080 or :8080"}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", &flaw{shown + " has no port from 1 to 65535", "write it like 127.0.0.1:8080"}
	}
	port = strings.TrimLeft(port, "0")
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if host != "" {
		ip, err := netip.ParseAddr(host)
		if err != nil {
			return "", &flaw{shown + " names a host that is no IP address", "write the address of an interface, localhost, or nothing for all: :" + port}
		}
		host = ip.String()
	}
	return net.JoinHostPort(host, port), nil
}

// clash tells whether two listening addresses cannot both be opened, although
// they are not the same: one is every interface, the other a single one.
func clash(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	if a == b || portA != portB {
		return false
	}
	return covers(hostA, hostB) || covers(hostB, hostA)
}

// covers tells whether listening on the wildcard host takes other as well.
// Go opens "" and [::] for IPv6 and IPv4 alike.
func covers(host, other string) bool {
	switch host {
	case "", "::":
		return true
	case "0.0.0.0":
		ip, err := netip.ParseAddr(other)
		return err != nil || ip.Is4()
	}
	return false
}

var (
	hostName = regexp.MustCompile(`^(\*\.)?([a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?$`)
	dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
)

// parseHost checks a route's host and lower-cases it.
func parseHost(s string) (string, *flaw) {
	low := strings.ToLower(s)
	switch {
	case s == "*":
		return "", &flaw{"* alone is every host", "leave host out"}
	case strings.Contains(s, "://"), strings.Contains(s, "/"):
		return "", &flaw{"this is a URL, not a host", "write the name alone; the path goes under path"}
	case netip.Addr{} != ipOf(strings.Trim(s, "[]")):
		return strings.Trim(low, "[]"), nil
	case strings.Contains(s, ":"):
		return "", &flaw{"a host has no port here", "the port goes under listen"}
	case len(s) > 253 || !hostName.MatchString(low):
		return "", &flaw{"this is no host name", "write it like shop.example.com or *.example.com; other scripts in their xn-- form"}
	}
	return low, nil
}

func ipOf(s string) netip.Addr {
	ip, _ := netip.ParseAddr(s)
	return ip
}

// parsePath checks a route's path prefix; a slash at its end means nothing, and
// "/" is the same as none.
func parsePath(s string) (string, *flaw) {
	switch {
	case !strings.HasPrefix(s, "/"):
		return "", &flaw{"a path starts with /", "write /" + "…"}
	case strings.ContainsAny(s, "*"):
		return "", &flaw{"a path holds no pattern: it is a prefix already", "write /api for /api and all below it"}
	case strings.ContainsAny(s, "?#") || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return "", &flaw{"a path holds no ? or # and no spaces", "write the path alone"}
	case strings.Contains(s, "//") || strings.Contains(s+"/", "/../") || strings.Contains(s+"/", "/./"):
		return "", &flaw{"a path holds no //, . or ..", "write it as requests have it"}
	}
	return strings.TrimRight(s, "/"), nil
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}
