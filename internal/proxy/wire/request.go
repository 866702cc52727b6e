package wire

import (
	"bytes"
	"net/netip"
)

// Request is the head of one request. Parse fills it; it may be used again.
type Request struct {
	Method []byte
	Target []byte // as the client wrote it
	// Origin is the target in origin or asterisk form (RFC 9112 §3.2): what an
	// instance is to be asked for. Of an absolute target without a path it
	// lacks the slash; see Rootless.
	Origin   []byte
	Path     []byte // Origin without its query, still escaped
	Rootless bool   // "/" is to be put before Origin
	Absolute bool   // the target came with an authority, which is Host
	Host     []byte // empty is possible
	Minor    int    // of the version: 0 or 1
	Length   int64  // of the body: -1 chunked, 0 none
	Lengthy  bool   // Content-Length was sent
	Expects  bool   // an Expect field was sent
	Upgrades bool   // an Upgrade field was sent
	Fields   []Field

	connection
}

// Parse parses a whole head, of which [HeadEnd] has told the end. An error is
// an *Error.
func (r *Request) Parse(head []byte) error {
	*r = Request{Fields: r.Fields[:0], connection: connection{Nominated: r.Nominated[:0]}}
	i, err := r.parseLine(head)
	if err != nil {
		return err
	}
	if r.Fields, err = parseFields(r.Fields, head, i); err != nil {
		return err
	}
	if err := r.parseTarget(); err != nil {
		return err
	}
	return r.judge()
}

// Persists tells whether the client keeps its connection (RFC 9112 §9.3).
func (r *Request) Persists() bool { return !r.Close && (r.Minor == 1 || r.Keep) }

func (r *Request) parseLine(b []byte) (next int, err error) {
	n := span(b, isToken)
	if n == 0 || n == len(b) || b[n] != ' ' {
		return 0, errLine
	}
	r.Method = b[:n]
	rest := b[n+1:]
	t := span(rest, isTarget)
	if t == 0 || len(rest) < t+11 || rest[t] != ' ' {
		return 0, errLine
	}
	r.Target = rest[:t]
	v := rest[t+1 : t+11] // HTTP/1.1 and CRLF
	if string(v[:5]) != "HTTP/" || !digit(v[5]) || v[6] != '.' || !digit(v[7]) || v[8] != '\r' || v[9] != '\n' {
		return 0, errLine
	}
	if v[5] != '1' || v[7] > '1' {
		return 0, errVersion
	}
	r.Minor = int(v[7] - '0')
	return n + 1 + t + 11, nil
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func (r *Request) parseTarget() error {
	if string(r.Method) == "CONNECT" {
		return errMethod
	}
	r.Origin = r.Target
	switch {
	case r.Target[0] == '/':
	case string(r.Target) == "*":
		if string(r.Method) != "OPTIONS" {
			return errTarget
		}
	default:
		if err := r.parseAbsolute(); err != nil {
			return err
		}
	}
	r.Path, _, _ = bytes.Cut(r.Origin, []byte{'?'})
	return checkEscapes(r.Path)
}

// parseAbsolute takes an absolute target apart; its authority stands in place
// of the Host field (RFC 9112 §3.2.2).
func (r *Request) parseAbsolute() error {
	t := r.Target
	scheme := bytes.Index(t, []byte("://"))
	if scheme < 0 || !Is(t[:scheme], "http") && !Is(t[:scheme], "https") {
		return errTarget
	}
	t = t[scheme+3:]
	end := bytes.IndexAny(t, "/?")
	if end < 0 {
		end = len(t)
	}
	r.Host, r.Origin = t[:end], t[end:]
	r.Absolute, r.Rootless = true, end == len(t) || t[end] == '?'
	if len(r.Host) == 0 || !ValidHost(r.Host) || bytes.IndexByte(r.Host, '%') >= 0 {
		return errTarget
	}
	return nil
}

// checkEscapes sees to it that every % stands before two hexadecimal digits,
// so that whoever unescapes a path can.
func checkEscapes(path []byte) error {
	for {
		i := bytes.IndexByte(path, '%')
		if i < 0 {
			return nil
		}
		if len(path) < i+3 || class[path[i+1]]&isHex == 0 || class[path[i+2]]&isHex == 0 {
			return errTarget
		}
		path = path[i+3:]
	}
}

// ValidHost tells whether h may be a Host field: a name or address and perhaps
// a port (RFC 9110 §7.2). An empty one is valid.
func ValidHost(h []byte) bool {
	if span(h, isHost) != len(h) {
		return false
	}
	port := h
	if len(h) > 0 && h[0] == '[' {
		i := bytes.IndexByte(h, ']')
		if i < 0 || len(h) > i+1 && h[i+1] != ':' {
			return false
		}
		if a, err := netip.ParseAddr(string(h[1:i])); err != nil || !a.Is6() || a.Zone() != "" {
			return false
		}
		port = h[i+1:]
	}
	if bytes.ContainsAny(port, "[]") {
		return false
	}
	i := bytes.IndexByte(port, ':')
	if i < 0 {
		return true
	}
	for _, c := range port[i+1:] {
		if !digit(c) {
			return false
		}
	}
	return true
}

// judge looks at what the fields say together.
func (r *Request) judge() error {
	hosts, codings := 0, 0
	for i := range r.Fields {
		f := &r.Fields[i]
		switch f.Kind {
		case Host:
			if hosts++; !ValidHost(f.Value) {
				return errHost
			}
			if !r.Absolute {
				r.Host = f.Value
			}
		case ContentLength:
			n, ok := parseLength(f.Value)
			if !ok || r.Lengthy {
				return errLength
			}
			r.Length, r.Lengthy = n, true
		case TransferEncoding:
			if codings++; !Is(f.Value, "chunked") {
				return errCoding
			}
		case Connection:
			r.add(f.Value)
		case Expect:
			r.Expects = true
		case Upgrade:
			r.Upgrades = true
		}
	}
	if hosts > 1 || hosts == 0 && r.Minor == 1 {
		return errHost
	}
	return r.judgeFraming(codings)
}

func (r *Request) judgeFraming(codings int) error {
	switch {
	case codings == 0:
		return nil
	case codings > 1:
		return errCoding
	case r.Minor == 0:
		return errOldCoding
	case r.Lengthy:
		return errFraming
	}
	r.Length = -1
	return r.judgeTrailer()
}

// judgeTrailer refuses the announcement of trailer fields that would change
// where the body ends.
func (r *Request) judgeTrailer() error {
	for i := range r.Fields {
		if r.Fields[i].Kind != Trailer {
			continue
		}
		for rest := r.Fields[i].Value; len(rest) > 0; {
			var item []byte
			item, rest = nextItem(rest)
			if Is(item, "content-length") || Is(item, "transfer-encoding") || Is(item, "trailer") {
				return errTrailer
			}
		}
	}
	return nil
}
