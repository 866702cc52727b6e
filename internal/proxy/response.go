package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// answer is what matters of an instance's response header; the fields to be
// passed on stand in an http.Header beside it.
type answer struct {
	minor, status int
	length        int64 // of the body; -1 not known
	chunked       bool
	close         bool   // the connection ends with this answer
	upgrade       string // the protocol of a 101
	keepAlive     time.Duration
	hasType       bool
}

const maxAnswerHead = 256 << 10

var (
	errHeadTooLarge = errors.New("response header is too large")
	errNoAnswer     = errors.New("connection ended before any byte of the answer")
)

// malformed is a response that does not follow RFC 9112.
type malformed string

func (m malformed) Error() string { return "malformed response: " + string(m) }

// readHead reads one response header, final or interim. Nothing of it stands
// in h if it fails.
func (c *upConn) readHead(h http.Header, a *answer) error {
	scanned := 0
	for {
		if end := headEnd(c.buf[c.r:c.w], scanned); end > 0 {
			block := string(c.buf[c.r : c.r+end])
			c.r += end
			return parseHead(block, h, a)
		}
		scanned = max(c.w-c.r-3, 0)
		if err := c.fill(maxAnswerHead); err != nil {
			if c.w == c.r && err != errHeadTooLarge {
				return fmt.Errorf("%w: %w", errNoAnswer, err)
			}
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
}

// headEnd gives the length of the header that b begins with, its empty line
// included, or 0 when it is not complete. Lines may end in a single LF
// (RFC 9112 §2.2).
func headEnd(b []byte, from int) int {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return 0
		}
		from += i + 1
		rest := b[from:]
		if len(rest) > 0 && rest[0] == '\n' {
			return from + 1
		}
		if len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n' {
			return from + 2
		}
	}
}

// parseHead parses a whole response header. Hop-by-hop fields (RFC 9110 §7.6.1)
// are acted on and left out of h.
func parseHead(block string, h http.Header, a *answer) (err error) {
	*a = answer{length: -1, keepAlive: -1}
	line, rest := cutLine(block)
	if err := a.parseStatusLine(line); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			clear(h)
		}
	}()
	values := make([]string, 0, strings.Count(rest, "\n"))
	var p headParser
	for {
		line, rest = cutLine(rest)
		if line == "" {
			break
		}
		k, v, err := parseField(line)
		if err != nil {
			return err
		}
		if hop, err := p.field(a, k, v); err != nil || hop {
			if err != nil {
				return err
			}
			continue
		}
		if old, ok := h[k]; ok {
			h[k] = append(old, v)
			continue
		}
		values = append(values, v)
		h[k] = values[len(values)-1 : len(values) : len(values)]
	}
	return p.finish(h, a)
}

func cutLine(s string) (line, rest string) {
	i := strings.IndexByte(s, '\n')
	if i < 0 {
		return s, ""
	}
	line, rest = s[:i], s[i+1:]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, rest
}

func (a *answer) parseStatusLine(s string) error {
	if len(s) < 12 || s[:7] != "HTTP/1." || s[7] < '0' || s[7] > '9' || s[8] != ' ' ||
		len(s) > 12 && s[12] != ' ' {
		return malformed("status line")
	}
	for _, c := range []byte(s[9:12]) {
		if c < '0' || c > '9' {
			return malformed("status code")
		}
		a.status = a.status*10 + int(c-'0')
	}
	if a.status < 100 {
		return malformed("status code")
	}
	a.minor = min(int(s[7]-'0'), 1)
	a.close = a.minor == 0
	return nil
}

func parseField(line string) (key, value string, err error) {
	i := strings.IndexByte(line, ':')
	if i <= 0 || !isToken(line[:i]) {
		return "", "", malformed("field name") // an obs-fold ends here too
	}
	value = strings.Trim(line[i+1:], " \t")
	for j := 0; j < len(value); j++ {
		if c := value[j]; c < ' ' && c != '\t' || c == 0x7f {
			return "", "", malformed("field value")
		}
	}
	return textproto.CanonicalMIMEHeaderKey(line[:i]), value, nil
}

// headParser collects what a response's fields say together.
type headParser struct {
	connection []string
	hasLength  bool
}

// field acts on a field; hop tells that it is not to be passed on.
func (p *headParser) field(a *answer, k, v string) (hop bool, err error) {
	switch k {
	case "Content-Length":
		n, err := parseLength(v)
		if err != nil || p.hasLength && n != a.length {
			return true, malformed("Content-Length")
		}
		a.length, p.hasLength = n, true
		return true, nil // set again by finish, once
	case "Transfer-Encoding":
		if a.chunked || !strings.EqualFold(v, "chunked") {
			return true, malformed("Transfer-Encoding")
		}
		a.chunked = true
		return true, nil
	case "Connection":
		p.connection = append(p.connection, v)
		return true, nil
	case "Keep-Alive":
		a.keepAlive = parseKeepAlive(v)
		return true, nil
	case "Upgrade":
		a.upgrade = v
		return true, nil
	case "Content-Type":
		a.hasType = true
	case "Proxy-Connection", "Te", "Proxy-Authenticate", "Proxy-Authorization":
		return true, nil
	}
	return false, nil
}

func (p *headParser) finish(h http.Header, a *answer) error {
	for _, v := range p.connection {
		for tok := range strings.SplitSeq(v, ",") {
			switch tok = strings.Trim(tok, " \t"); {
			case strings.EqualFold(tok, "close"):
				a.close = true
			case strings.EqualFold(tok, "keep-alive"):
				if a.minor == 0 {
					a.close = false
				}
			case tok != "":
				delete(h, textproto.CanonicalMIMEHeaderKey(tok))
			}
		}
	}
	switch {
	case a.chunked: // RFC 9112 §6.1, §6.3: it overrides a length, and is not to be trusted then
		if p.hasLength || a.minor == 0 {
			a.close = true
		}
		a.length = -1
	case p.hasLength:
		h["Content-Length"] = []string{strconv.FormatInt(a.length, 10)}
	}
	return nil
}

func parseLength(v string) (int64, error) {
	if v == "" || len(v) > 18 {
		return 0, malformed("Content-Length")
	}
	var n int64
	for i := 0; i < len(v); i++ {
		if v[i] < '0' || v[i] > '9' {
			return 0, malformed("Content-Length")
		}
		n = n*10 + int64(v[i]-'0')
	}
	return n, nil
}

// parseKeepAlive gives the timeout of a Keep-Alive field, or -1.
func parseKeepAlive(v string) time.Duration {
	for part := range strings.SplitSeq(v, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || !strings.EqualFold(name, "timeout") {
			continue
		}
		n, err := strconv.Atoi(strings.Trim(value, `"`))
		if err == nil && n >= 0 && n < 1<<30 {
			return time.Duration(n) * time.Second
		}
	}
	return -1
}

// tokenChar marks the characters of RFC 9110 §5.6.2's token.
func tokenChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if !tokenChar(s[i]) {
			return false
		}
	}
	return s != ""
}
