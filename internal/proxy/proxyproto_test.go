package proxy

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// v2 puts a binary header together.
func v2(command, family byte, rest string) string {
	return v2Begins + string([]byte{command, family, byte(len(rest) >> 8), byte(len(rest))}) + rest
}

const (
	fourEnds = "\x0a\x00\x00\x01\xc0\x00\x02\x02\x30\x39\x01\xbb"
	local6   = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
	sixEnds  = local6 + local6 + "\x30\x39\x01\xbb"
)

func TestParseProxyHeader(t *testing.T) {
	const none = "invalid AddrPort"
	for name, c := range map[string]struct{ in, from, to string }{
		"v1 IPv4":        {"PROXY TCP4 10.0.0.1 192.0.2.2 12345 443\r\n", "10.0.0.1:12345", "192.0.2.2:443"},
		"v1 IPv6":        {"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", "[2001:db8::1]:1", "[2001:db8::2]:65535"},
		"v1 mapped":      {"PROXY TCP6 ::ffff:10.0.0.1 ::ffff:10.0.0.2 1 2\r\n", "10.0.0.1:1", "10.0.0.2:2"},
		"v1 unknown":     {"PROXY UNKNOWN\r\n", none, none},
		"v1 unknown etc": {"PROXY UNKNOWN ffff:f... ffff 65535 what\r\n", none, none},
		"v1 port 0":      {"PROXY TCP4 10.0.0.1 192.0.2.2 0 0\r\n", "10.0.0.1:0", "192.0.2.2:0"},
		"v2 IPv4":        {v2(0x21, 0x11, fourEnds), "10.0.0.1:12345", "192.0.2.2:443"},
		"v2 IPv6":        {v2(0x21, 0x21, sixEnds), "[2001:db8::1]:12345", "[2001:db8::1]:443"},
		"v2 TLVs":        {v2(0x21, 0x11, fourEnds+"\x04\x00\x02xx\x01\x00\x00"), "10.0.0.1:12345", "192.0.2.2:443"},
		"v2 local":       {v2(0x20, 0x00, ""), none, none},
		"v2 local etc":   {v2(0x20, 0x11, "anything"), none, none},
		"v2 unspecified": {v2(0x21, 0x00, "anything"), none, none},
		"v2 Unix":        {v2(0x21, 0x31, strings.Repeat("x", 216)), none, none},
		"v2 checksum":    {v2(0x21, 0x11, fourEnds+"\x03\x00\x04\x68\x29\xc7\x0e"), "10.0.0.1:12345", "192.0.2.2:443"},
	} {
		t.Run(name, func(t *testing.T) {
			h, n, err := parseProxyHeader([]byte(c.in + "GET / HTTP/1.1\r\n"))
			if err != nil || n != len(c.in) || h.from.String() != c.from || h.to.String() != c.to {
				t.Errorf("%v to %v, %d of %d bytes, %v; want %s to %s", h.from, h.to, n, len(c.in), err, c.from, c.to)
			}
			for k := range len(c.in) {
				if _, _, err := parseProxyHeader([]byte(c.in[:k])); !errors.Is(err, errMore) {
					t.Fatalf("the first %d bytes: %v", k, err)
				}
			}
		})
	}
}

func TestRefusedProxyHeaders(t *testing.T) {
	for name, in := range map[string]string{
		"HTTP":              "GET / HTTP/1.1\r\n",
		"TLS":               "\x16\x03\x01\x02\x00",
		"lower case":        "proxy TCP4 10.0.0.1 192.0.2.2 1 2\r\n",
		"no CR":             "PROXY TCP4 10.0.0.1 192.0.2.2 1 2\n",
		"CR within":         "PROXY TCP4 10.0.0.1 192.0.2.2 1 2\r \r\n",
		"CR in unknown":     "PROXY UNKNOWN \rGET\r\n",
		"two spaces":        "PROXY TCP4  10.0.0.1 192.0.2.2 1 2\r\n",
		"space at the end":  "PROXY TCP4 10.0.0.1 192.0.2.2 1 2 \r\n",
		"too few":           "PROXY TCP4 10.0.0.1 192.0.2.2 1\r\n",
		"nothing":           "PROXY \r\n",
		"family alone":      "PROXY TCP4\r\n",
		"other family":      "PROXY UDP4 10.0.0.1 192.0.2.2 1 2\r\n",
		"IPv6 as IPv4":      "PROXY TCP4 ::1 ::1 1 2\r\n",
		"IPv4 as IPv6":      "PROXY TCP6 10.0.0.1 10.0.0.2 1 2\r\n",
		"octal address":     "PROXY TCP4 010.0.0.1 192.0.2.2 1 2\r\n",
		"zone":              "PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n",
		"port too large":    "PROXY TCP4 10.0.0.1 192.0.2.2 65536 2\r\n",
		"leading zero":      "PROXY TCP4 10.0.0.1 192.0.2.2 01 2\r\n",
		"sign":              "PROXY TCP4 10.0.0.1 192.0.2.2 +1 2\r\n",
		"line too long":     "PROXY UNKNOWN " + strings.Repeat("x", 107) + "\r\n",
		"v2 version 1":      v2(0x11, 0x11, fourEnds),
		"v2 command 2":      v2(0x22, 0x11, fourEnds),
		"v2 datagram":       v2(0x21, 0x12, fourEnds),
		"v2 family 4":       v2(0x21, 0x41, fourEnds),
		"v2 too short":      v2(0x21, 0x11, fourEnds[:11]),
		"v2 too long":       v2(0x21, 0x11, fourEnds+strings.Repeat("\x04\x00\x00", 2000)),
		"v2 TLV cut off":    v2(0x21, 0x11, fourEnds+"\x04\x00\x03xx"),
		"v2 TLV head":       v2(0x21, 0x11, fourEnds+"\x04\x00"),
		"v2 wrong checksum": v2(0x21, 0x11, fourEnds+"\x03\x00\x04\x00\x00\x00\x00"),
		"v2 short checksum": v2(0x21, 0x11, fourEnds+"\x03\x00\x02\x00\x00"),
	} {
		if h, n, err := parseProxyHeader([]byte(in)); err == nil || errors.Is(err, errMore) {
			t.Errorf("%s: taken: %v, %d bytes, %v", name, h, n, err)
		}
	}
}

// What is sent is what is understood.
func TestAppendProxyHeader(t *testing.T) {
	ends := []string{"10.0.0.1:1", "[2001:db8::1]:65535", "[::ffff:10.0.0.1]:80"}
	for _, version := range []string{ProxyV1, ProxyV2} {
		for _, from := range ends {
			for _, to := range ends {
				f, to := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
				b := appendProxyHeader(nil, version, f, to)
				h, n, err := parseProxyHeader(b)
				if err != nil || n != len(b) || h.from != unmapped(f) || h.to != unmapped(to) {
					t.Errorf("%s from %v to %v: %q: %v, %v", version, f, to, b, h, err)
				}
			}
		}
		b := appendProxyHeader(nil, version, netip.AddrPort{}, netip.MustParseAddrPort("10.0.0.1:1"))
		if h, n, err := parseProxyHeader(b); err != nil || n != len(b) || h.from.IsValid() {
			t.Errorf("%s of an unknown: %q: %v, %v", version, b, h, err)
		}
	}
}

func FuzzProxyHeader(f *testing.F) {
	for _, seed := range []string{"PROXY TCP4 10.0.0.1 192.0.2.2 12345 443\r\n", "PROXY UNKNOWN\r\n", v2(0x21, 0x11, fourEnds),
		v2(0x21, 0x21, sixEnds+"\x04\x00\x01x"), v2(0x20, 0, ""), v2(0x21, 0x31, strings.Repeat("x", 216))} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := parseProxyHeader(b)
		if err != nil {
			if n != 0 || h != (proxyHeader{}) {
				t.Errorf("%d bytes and %v beside %v", n, h, err)
			}
			return
		}
		if n < 15 || n > len(b) || n > v2Fixed+v2Most {
			t.Fatalf("%d of %d bytes", n, len(b))
		}
		again, m, err := parseProxyHeader(b[:n])
		if err != nil || m != n || again != h {
			t.Errorf("alone it is %v, %d, %v; was %v, %d", again, m, err, h, n)
		}
		for _, version := range []string{ProxyV1, ProxyV2} {
			out := appendProxyHeader(nil, version, h.from, h.to)
			if back, _, err := parseProxyHeader(append(out, "rest"...)); err != nil || back != h {
				t.Errorf("%q became %q: %v, %v", b[:n], out, back, err)
			}
		}
		if bytes.HasPrefix(b, []byte(v1Begins)) && n > v1Most {
			t.Errorf("a line of %d bytes", n)
		}
	})
}
