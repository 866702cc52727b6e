package h2

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"
)

// head is a request's header section, checked (RFC 9113 §8.3.1).
type head struct {
	method, scheme, authority, path string
	host                            string // of a Host field
	cookies                         string
	header                          http.Header
	trailer                         http.Header // declared
	length                          int64       // Content-Length; -1 none
	seen                            uint8       // pseudo-headers
}

const (
	seenMethod = 1 << iota
	seenScheme
	seenAuthority
	seenPath
)

// Why a request is malformed. No text says what the client sent.
var (
	errName       = errors.New("field name is not a lower-case token")
	errValue      = errors.New("field value with forbidden bytes")
	errPseudo     = errors.New("pseudo-header is unknown, repeated or misplaced")
	errMissing    = errors.New("a pseudo-header is missing or empty")
	errConnection = errors.New("connection-specific field")
	errLength     = errors.New("Content-Length is repeated or not a number")
	errTarget     = errors.New(":path is not a request target")
	errAuthority  = errors.New(":authority is missing, has user information, or is not what Host says")
	errTrailer    = errors.New("trailer section with a field that must not be there")
)

// readHead checks the fields of a request and sorts them.
func readHead(fields []hpack.HeaderField) (*head, error) {
	h := &head{length: -1, header: make(http.Header, len(fields))}
	values := make([]string, 0, len(fields))
	regular := false
	for _, f := range fields {
		if !validValue(f.Value) {
			return nil, errValue
		}
		if f.Name != "" && f.Name[0] == ':' {
			if regular {
				return nil, errPseudo
			}
			if err := h.pseudo(f); err != nil {
				return nil, err
			}
			continue
		}
		regular = true
		skip, err := h.special(f)
		if err != nil {
			return nil, err
		}
		if skip {
			continue
		}
		values = addField(h.header, values, f)
	}
	if h.cookies != "" {
		h.header["Cookie"] = []string{h.cookies}
	}
	return h, h.finish()
}

// addField adds to a header; the values stand in one slice.
func addField(h http.Header, values []string, f hpack.HeaderField) []string {
	k := canonical(f.Name)
	if old, ok := h[k]; ok {
		h[k] = append(old, f.Value)
		return values
	}
	values = append(values, f.Value)
	h[k] = values[len(values)-1 : len(values) : len(values)]
	return values
}

func (h *head) pseudo(f hpack.HeaderField) error {
	var to *string
	var bit uint8
	switch f.Name {
	case ":method":
		to, bit = &h.method, seenMethod
	case ":scheme":
		to, bit = &h.scheme, seenScheme
	case ":authority":
		to, bit = &h.authority, seenAuthority
	case ":path":
		to, bit = &h.path, seenPath
	default:
		return errPseudo
	}
	if h.seen&bit != 0 {
		return errPseudo
	}
	h.seen |= bit
	*to = f.Value
	return nil
}

// special deals with the fields that mean something here; skip says that they
// do not stand in the header.
func (h *head) special(f hpack.HeaderField) (skip bool, err error) {
	switch f.Name {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		return false, errConnection
	case "te":
		if f.Value != "trailers" {
			return false, errConnection
		}
	case "host":
		if h.host != "" && h.host != f.Value {
			return false, errAuthority
		}
		h.host = f.Value
		return true, nil
	case "cookie": // RFC 9113 §8.2.3
		if h.cookies != "" {
			h.cookies += "; "
		}
		h.cookies += f.Value
		return true, nil
	case "content-length":
		if h.length >= 0 {
			return false, errLength
		}
		h.length, err = parseLength(f.Value)
		return false, err
	case "trailer":
		h.declare(f.Value)
		return true, nil
	default:
		if !validName(f.Name) {
			return false, errName
		}
	}
	return false, nil
}

func parseLength(s string) (int64, error) {
	if s == "" {
		return 0, errLength
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, errLength
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, errLength
	}
	return n, nil
}

// declare notes the names of a Trailer field. Those that must not be in a
// trailer are left out.
func (h *head) declare(names string) {
	for name := range strings.SplitSeq(names, ",") {
		k := http.CanonicalHeaderKey(strings.Trim(name, " \t"))
		if k == "" || notInTrailer(k) {
			continue
		}
		if h.trailer == nil {
			h.trailer = http.Header{}
		}
		h.trailer[k] = nil
	}
}

func notInTrailer(k string) bool {
	return k == "Content-Length" || k == "Transfer-Encoding" || k == "Trailer" || k == "Host"
}

func (h *head) finish() error {
	if h.method == "" || !validToken(h.method) {
		return errMissing
	}
	if h.authority == "" {
		if h.seen&seenAuthority != 0 {
			return errAuthority
		}
		h.authority = h.host
	} else if h.host != "" && h.host != h.authority {
		return errAuthority
	}
	if h.authority == "" || strings.IndexByte(h.authority, '@') >= 0 {
		return errAuthority
	}
	if h.method == http.MethodConnect { // RFC 9113 §8.5
		if h.seen&(seenPath|seenScheme) != 0 {
			return errPseudo
		}
		return nil
	}
	if h.scheme == "" || h.path == "" {
		return errMissing
	}
	if !validTarget(h.path, h.method) {
		return errTarget
	}
	return nil
}

// target gives the URL of a request, which is a path and a query only.
func (h *head) target() (*url.URL, error) {
	switch {
	case h.method == http.MethodConnect:
		return &url.URL{Host: h.authority}, nil
	case plainPath(h.path):
		u := &url.URL{Path: h.path}
		if i := strings.IndexByte(h.path, '?'); i >= 0 {
			u.Path, u.RawQuery, u.ForceQuery = h.path[:i], h.path[i+1:], i == len(h.path)-1
		}
		return u, nil
	}
	u, err := url.ParseRequestURI(h.path)
	if err != nil {
		return nil, errTarget
	}
	return u, nil
}

// requestURI is the target as RFC 9112 §3.2 writes it.
func (h *head) requestURI() string {
	if h.method == http.MethodConnect {
		return h.authority
	}
	return h.path
}

// readTrailer checks a trailer section and adds it to t, which may be nil.
func readTrailer(t http.Header, fields []hpack.HeaderField) (http.Header, error) {
	if t == nil {
		t = make(http.Header, len(fields))
	}
	values := make([]string, 0, len(fields))
	for _, f := range fields {
		if !validName(f.Name) || !validValue(f.Value) {
			return nil, errTrailer
		}
		switch f.Name {
		case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade", "te", "content-length", "host", "trailer":
			return nil, errTrailer
		}
		values = addField(t, values, f)
	}
	return t, nil
}
