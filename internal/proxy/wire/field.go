package wire

// Field is one field line of a head.
type Field struct {
	Name, Value []byte // Value without the whitespace around it
	From, To    int    // the line in the head, its CRLF included
	Kind        Kind
}

// Kind tells the fields that a proxy must look at from all others.
type Kind uint8

// The kinds of fields.
const (
	Other Kind = iota
	Connection
	KeepAlive
	ProxyField // Proxy-Connection, Proxy-Authenticate, Proxy-Authorization
	TE
	Trailer
	TransferEncoding
	Upgrade
	HTTP2Settings
	ContentLength
	Host
	Forwarded
	ForwardedFor
	ForwardedProto
	ForwardedHost
	Drill  // Segue-Drill
	Mirror // Segue-Mirror
	Expect
	IdempotencyKey
	ContentType
	Date
	NotTrailing // may stand in a head, not in a trailer
)

// kindOf looks a name up by its length first, since most lengths have one
// candidate or none.
func kindOf(n []byte) Kind {
	switch len(n) {
	case 2:
		return kind(n, "te", TE)
	case 4:
		return kind(n, "host", Host) + kind(n, "date", Date)
	case 6:
		return kind(n, "expect", Expect)
	case 7:
		return kind(n, "upgrade", Upgrade) + kind(n, "trailer", Trailer)
	case 9:
		return kind(n, "forwarded", Forwarded)
	case 10:
		return kind(n, "connection", Connection) + kind(n, "keep-alive", KeepAlive) + kind(n, "set-cookie", NotTrailing)
	case 11:
		return kind(n, "segue-drill", Drill)
	case 12:
		return kind(n, "content-type", ContentType) + kind(n, "segue-mirror", Mirror)
	case 13:
		return kind(n, "authorization", NotTrailing) + kind(n, "content-range", NotTrailing)
	case 14:
		return kind(n, "content-length", ContentLength) + kind(n, "http2-settings", HTTP2Settings)
	default:
		return longKindOf(n)
	}
}

func longKindOf(n []byte) Kind {
	switch len(n) {
	case 15:
		return kind(n, "x-forwarded-for", ForwardedFor) + kind(n, "idempotency-key", IdempotencyKey)
	case 16:
		return kind(n, "x-forwarded-host", ForwardedHost) + kind(n, "content-encoding", NotTrailing) + kind(n, "proxy-connection", ProxyField)
	case 17:
		return kind(n, "x-forwarded-proto", ForwardedProto) + kind(n, "transfer-encoding", TransferEncoding)
	case 18:
		return kind(n, "proxy-authenticate", ProxyField)
	case 19:
		return kind(n, "proxy-authorization", ProxyField)
	}
	return Other
}

func kind(name []byte, word string, k Kind) Kind {
	if name[0]|0x20 == word[0] && Is(name, word) {
		return k
	}
	return Other
}

// Trails tells whether a field may come behind a body (RFC 9110 §6.5.1).
func (k Kind) Trails() bool {
	switch k {
	case Other, Date, Drill, IdempotencyKey:
		return true
	}
	return false
}

// parseFields parses the field lines of head from i to its empty line. No line
// is folded: one that begins with a space has no name.
func parseFields(into []Field, head []byte, i int) ([]Field, error) {
	for {
		line := head[i:]
		if len(line) >= 2 && line[0] == '\r' && line[1] == '\n' {
			return into, nil
		}
		n := span(line, isToken)
		if n == 0 || n == len(line) || line[n] != ':' {
			return into, errName
		}
		v := n + 1 + span(line[n+1:], isValue)
		if v+1 >= len(line) || line[v] != '\r' || line[v+1] != '\n' {
			return into, errValue
		}
		name := line[:n]
		into = append(into, Field{Name: name, Value: trim(line[n+1 : v]), From: i, To: i + v + 2, Kind: kindOf(name)})
		i += v + 2
	}
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for n := len(b); n > 0 && (b[n-1] == ' ' || b[n-1] == '\t'); n-- {
		b = b[:n-1]
	}
	return b
}

// nextItem cuts the first item off a comma-separated list.
func nextItem(list []byte) (item, rest []byte) {
	for i, c := range list {
		if c == ',' {
			return trim(list[:i]), list[i+1:]
		}
	}
	return trim(list), nil
}

// ParseTrailer parses the trailer section that b is, its empty line included.
// Some of its fields may be such as must not come so late; see [Kind.Trails].
func ParseTrailer(into []Field, b []byte) ([]Field, error) { return parseFields(into[:0], b, 0) }

// AllTrail tells whether each field may stand in a trailer.
func AllTrail(fields []Field) bool {
	for i := range fields {
		if !fields[i].Kind.Trails() {
			return false
		}
	}
	return true
}

// connection is what Connection fields say (RFC 9110 §7.6.1).
type connection struct {
	Close     bool     // said explicitly
	Keep      bool     // keep-alive was said
	Nominated [][]byte // other fields that end here; nil nearly always
}

func (c *connection) add(value []byte) {
	for rest := value; len(rest) > 0; {
		var item []byte
		item, rest = nextItem(rest)
		switch {
		case len(item) == 0 || Is(item, "upgrade"):
		case Is(item, "close"):
			c.Close = true
		case Is(item, "keep-alive"):
			c.Keep = true
		default:
			c.Nominated = append(c.Nominated, item)
		}
	}
}

// Ends tells whether a field of kind Other ends here because a Connection field
// names it.
func (c *connection) Ends(name []byte) bool {
	for _, n := range c.Nominated {
		if equalFold(n, name) {
			return true
		}
	}
	return false
}

func equalFold(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		d := b[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if 'A' <= d && d <= 'Z' {
			d |= 0x20
		}
		if c != d {
			return false
		}
	}
	return true
}

// parseLength takes digits, no sign, no list, and no leading zero.
func parseLength(v []byte) (int64, bool) {
	if len(v) == 0 || len(v) > 18 || v[0] == '0' && len(v) > 1 {
		return 0, false
	}
	var n int64
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
