package h2

import (
	"net/http"
	"strconv"
	"time"

	"golang.org/x/net/http2/hpack"
)

// blockWriter is where the encoder of header blocks writes to.
type blockWriter conn

func (w *blockWriter) Write(p []byte) (int, error) {
	w.out.b = append(w.out.b, p...)
	return len(p), nil
}

// appendHead adds HEADERS to what is to be written, and CONTINUATION as
// needed; status 0 is a trailer section. c.mu is held, since the client has to
// see header blocks in the order in which they were encoded.
func (c *conn) appendHead(id uint32, status int, fields []field, last bool) {
	if c.err != nil || c.shut {
		return
	}
	c.room()
	start := len(c.out.b)
	c.out.b = appendFrame(c.out.b, 0, frameHeaders, 0, id)
	if status != 0 {
		c.enc.WriteField(hpack.HeaderField{Name: ":status", Value: statusText(status)})
	}
	for _, f := range fields {
		c.enc.WriteField(hpack.HeaderField{Name: f.name, Value: f.value, Sensitive: fleeting(f.name)})
	}
	block := c.out.b[start+frameHeaderLen:]
	var flags uint8 = flagEndHeaders
	if last {
		flags |= flagEndStream
	}
	if len(block) > maxFrame {
		c.splitHead(start, id, flags)
		return
	}
	appendFrame(c.out.b[:start], len(block), frameHeaders, flags, id)
}

// splitHead makes several frames of a large header block.
func (c *conn) splitHead(start int, id uint32, flags uint8) {
	block := append([]byte(nil), c.out.b[start+frameHeaderLen:]...)
	b := c.out.b[:start]
	kind, first := uint8(frameHeaders), flags&^flagEndHeaders
	for len(block) > 0 {
		part := block[:min(len(block), maxFrame)]
		block = block[len(part):]
		if len(block) == 0 {
			first |= flagEndHeaders
		}
		b = appendFrame(b, len(part), kind, first, id)
		b = append(b, part...)
		kind, first = frameContinuation, 0
	}
	c.out.b = b
}

// fleeting tells the fields that are hardly ever the same twice. They are kept
// out of the compression's table.
func fleeting(name string) bool {
	switch name {
	case "content-length", "etag", "set-cookie", "x-request-id", "segue-drill-id", "location", "last-modified":
		return true
	}
	return false
}

func statusText(status int) string {
	switch status {
	case http.StatusOK:
		return "200"
	case http.StatusNotModified:
		return "304"
	case http.StatusNotFound:
		return "404"
	}
	return strconv.Itoa(status)
}

// sayContinue sends 100 Continue, unless the answer has begun; c.mu is held.
func (c *conn) sayContinue(s *stream) {
	if !s.w.headed && s.err == nil {
		c.appendHead(s.id, http.StatusContinue, nil, false)
		c.kick()
	}
}

type dateText struct {
	second int64
	text   string
}

// date gives the time as a Date field has it (RFC 9110 §5.6.7).
func (s *Server) date() string {
	now := time.Now()
	d := s.today.Load()
	if d == nil || d.second != now.Unix() {
		d = &dateText{now.Unix(), now.UTC().Format(http.TimeFormat)}
		s.today.Store(d)
	}
	return d.text
}
