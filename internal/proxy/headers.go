package proxy

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// hopByHop tells the request fields that are the proxy's own to set or that
// end here (RFC 9110 §7.6.1). Keys are canonical.
func hopByHop(k string) bool {
	switch k {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings", "Content-Length", "Host",
		"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host",
		drillHeader, mirrorHeader:
		return true
	}
	return false
}

// nominated gives the fields that a request's Connection field makes hop-by-hop,
// canonical; nil in all usual cases.
func nominated(r *http.Request) []string {
	var out []string
	for _, v := range r.Header["Connection"] {
		for tok := range strings.SplitSeq(v, ",") {
			tok = strings.Trim(tok, " \t")
			if tok == "" || strings.EqualFold(tok, "close") || strings.EqualFold(tok, "keep-alive") || strings.EqualFold(tok, "upgrade") {
				continue
			}
			out = append(out, http.CanonicalHeaderKey(tok))
		}
	}
	return out
}

// upgradeOf gives the protocol that an HTTP/1.1 request asks to change to, or
// "". A change to cleartext HTTP/2 is not offered: it would let a client talk
// past the proxy.
func upgradeOf(r *http.Request) string {
	up := r.Header.Get("Upgrade")
	if up == "" || r.ProtoMajor != 1 || r.ProtoMinor != 1 || r.ContentLength != 0 ||
		!hasToken(r.Header["Connection"], "upgrade") || strings.Contains(strings.ToLower(up), "h2c") {
		return ""
	}
	return up
}

func hasToken(values []string, token string) bool {
	for _, v := range values {
		for tok := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.Trim(tok, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// sender is what the proxy knows of the peer, in the forms that the headers want.
type sender struct {
	addr  netip.Addr
	text  string // as X-Forwarded-For wants it
	node  string // as Forwarded wants it (RFC 7239 §6): IPv6 bracketed and quoted
	proto string // "http" or "https"
}

func newSender(a netip.Addr, tls bool) sender {
	a = a.Unmap().WithZone("")
	s := sender{addr: a, text: a.String(), proto: "http"}
	if !a.IsValid() {
		s.text = "unknown"
	}
	s.node = s.text
	if a.Is6() {
		s.node = `"[` + s.text + `]"`
	}
	if tls {
		s.proto = "https"
	}
	return s
}

func (s *sender) isTrusted(t *target) bool {
	for _, p := range t.trusted {
		if p.Contains(s.addr) {
			return true
		}
	}
	return false
}

// appendHead writes a request's header as HTTP/1.1 for an instance, to its
// empty line. length is the body's: -1 chunked, 0 none.
func appendHead(b []byte, r *http.Request, t *target, s *sender, length int64, upgrade string) []byte {
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, requestTarget(r)...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, r.Host...)
	b = append(b, "\r\n"...)
	drop := nominated(r)
next:
	for k, values := range r.Header {
		if hopByHop(k) {
			continue
		}
		for _, d := range drop {
			if d == k {
				continue next
			}
		}
		for _, v := range values {
			b = appendField(b, k, v)
		}
	}
	b = appendForwarded(b, r, t, s)
	b = appendFraming(b, r, length)
	if upgrade != "" {
		b = append(b, "Connection: Upgrade\r\nUpgrade: "...)
		b = append(b, upgrade...)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

func appendField(b []byte, k, v string) []byte {
	b = append(b, k...)
	b = append(b, ": "...)
	b = append(b, v...)
	return append(b, "\r\n"...)
}

func appendFraming(b []byte, r *http.Request, length int64) []byte {
	switch {
	case length > 0 || length == 0 && wantsLength(r.Method):
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, length, 10)
		return append(b, "\r\n"...)
	case length < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
		if len(r.Trailer) > 0 {
			b = append(b, "Trailer: "...)
			sep := ""
			for k := range r.Trailer {
				b = append(append(b, sep...), k...)
				sep = ", "
			}
			b = append(b, "\r\n"...)
		}
	}
	return b
}

// appendForwarded tells the instance who asked: Forwarded (RFC 7239) and the
// older X-Forwarded-*. What a trusted peer says stands before ours, or in
// place of it where there can be only one.
func appendForwarded(b []byte, r *http.Request, t *target, s *sender) []byte {
	var fwd, xff, proto, host []string
	if len(t.trusted) > 0 && s.isTrusted(t) {
		h := r.Header
		fwd, xff, proto, host = h["Forwarded"], h["X-Forwarded-For"], h["X-Forwarded-Proto"], h["X-Forwarded-Host"]
	}
	b = append(b, "X-Forwarded-For: "...)
	b = appendList(b, xff)
	b = append(b, s.text...)
	b = append(b, "\r\nX-Forwarded-Proto: "...)
	b = append(b, firstOr(proto, s.proto)...)
	b = append(b, "\r\nX-Forwarded-Host: "...)
	b = append(b, firstOr(host, r.Host)...)
	b = append(b, "\r\nForwarded: "...)
	b = appendList(b, fwd)
	b = append(b, "for="...)
	b = append(b, s.node...)
	b = append(b, ";host=\""...)
	b = append(b, r.Host...) // isHost has let in nothing that needs an escape
	b = append(b, "\";proto="...)
	b = append(b, s.proto...)
	return append(b, "\r\n"...)
}

func appendList(b []byte, values []string) []byte {
	for _, v := range values {
		b = append(append(b, v...), ", "...)
	}
	return b
}

func firstOr(values []string, other string) string {
	if len(values) > 0 {
		return values[0]
	}
	return other
}

// requestTarget gives the target in origin or asterisk form (RFC 9112 §3.2).
func requestTarget(r *http.Request) string {
	if u := r.RequestURI; u != "" && (u[0] == '/' || u == "*") {
		return u
	}
	return r.URL.RequestURI()
}

// isSound tells whether a request can be written as HTTP/1.1 and read back as
// the same request. net/http sees to most of it; HTTP/2 lets through some
// targets, methods and authorities that would not survive.
func isSound(r *http.Request) bool {
	u := requestTarget(r)
	for i := 0; i < len(u); i++ {
		if u[i] <= ' ' || u[i] == 0x7f || u[i] == '#' {
			return false
		}
	}
	return isToken(r.Method) && r.Method != http.MethodConnect && isHost(r.Host)
}

// isHost tells whether h may stand in a Host field (RFC 3986 §3.2.2) and, quoted,
// in Forwarded.
func isHost(h string) bool {
	for i := 0; i < len(h); i++ {
		switch c := h[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("-._~%!$&'()*+,;=:[]", c) >= 0:
		default:
			return false
		}
	}
	return true
}
