package proxy

import (
	"bytes"
	"io"
	"math"
	"net/http"
)

// bodyReader reads the body of one answer, however it is delimited
// (RFC 9112 §6.3), and leaves the connection behind its end.
type bodyReader struct {
	c       *upConn
	chunked bool
	toEOF   bool
	left    int64 // of the body, or of the current chunk
	began   bool  // a chunk was read, so a CRLF stands before the next size
	done    bool
	trailer http.Header
}

func (c *upConn) body(a *answer, head bool) bodyReader {
	b := bodyReader{c: c, chunked: a.chunked, left: a.length}
	switch {
	case head || a.status < 200 || a.status == http.StatusNoContent || a.status == http.StatusNotModified:
		b.done = true
	case a.chunked:
		b.left = 0
	case a.length < 0:
		b.toEOF = true
	default:
		b.done = a.length == 0
	}
	return b
}

// isHere tells whether the body is in the buffer already, whole.
func (b *bodyReader) isHere() bool {
	return b.done || !b.chunked && !b.toEOF && b.left <= int64(b.c.w-b.c.r)
}

// next gives the next piece of the body, which is valid until the next call. It
// gives io.EOF after the last, not with it.
func (b *bodyReader) next() ([]byte, error) {
	if b.done {
		return nil, io.EOF
	}
	if b.chunked && b.left == 0 {
		if err := b.nextChunk(); err != nil {
			return nil, err
		}
	}
	most := b.left
	if b.toEOF {
		most = math.MaxInt64
	}
	c := b.c
	if have := c.buf[c.r:c.w]; len(have) > 0 {
		have = have[:min(int64(len(have)), most)]
		c.r += len(have)
		b.took(len(have))
		return have, nil
	}
	piece, err := c.readBig(most)
	if len(piece) > 0 {
		b.took(len(piece))
		return piece, nil
	}
	if err == io.EOF {
		if b.toEOF {
			b.done = true
			return nil, io.EOF
		}
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}

func (b *bodyReader) took(n int) {
	if b.toEOF {
		return
	}
	b.left -= int64(n)
	b.done = b.left == 0 && !b.chunked
}

// nextChunk reads up to a chunk's data; at the last chunk it reads the trailer
// section and gives io.EOF.
func (b *bodyReader) nextChunk() error {
	if b.began {
		line, err := b.line()
		if err != nil {
			return err
		}
		if len(line) != 0 {
			return malformed("chunk end")
		}
	}
	line, err := b.line()
	if err != nil {
		return err
	}
	b.began = true
	if b.left, err = parseChunkSize(line); err != nil {
		return err
	}
	if b.left > 0 {
		return nil
	}
	if err := b.readTrailer(); err != nil {
		return err
	}
	b.done = true
	return io.EOF
}

const maxLine = 16 << 10

// line gives the next line without its end, valid until the next read.
func (b *bodyReader) line() ([]byte, error) {
	c := b.c
	scanned := 0
	for {
		have := c.buf[c.r:c.w]
		if i := bytes.IndexByte(have[scanned:], '\n'); i >= 0 {
			i += scanned
			c.r += i + 1
			if i == 0 || have[i-1] != '\r' {
				return nil, malformed("bare LF in chunked body")
			}
			return have[:i-1], nil
		}
		scanned = len(have)
		if scanned > maxLine {
			return nil, malformed("chunk line is too long")
		}
		if err := c.fill(2 * maxLine); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// parseChunkSize parses a chunk-size line; extensions are dropped
// (RFC 9112 §7.1.1).
func parseChunkSize(line []byte) (int64, error) {
	size, _, _ := bytes.Cut(line, []byte{';'})
	size = bytes.TrimRight(size, " \t")
	if len(size) == 0 || len(size) > 15 {
		return 0, malformed("chunk size")
	}
	var n int64
	for _, c := range size {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, malformed("chunk size")
		}
		n = n<<4 | int64(c)
	}
	return n, nil
}

const maxTrailer = 64 << 10

func (b *bodyReader) readTrailer() error {
	for total := 0; ; {
		line, err := b.line()
		if err != nil || len(line) == 0 {
			return err
		}
		if total += len(line); total > maxTrailer {
			return malformed("trailer is too large")
		}
		k, v, err := parseField(string(line))
		if err != nil {
			return err
		}
		if notInTrailer(k) {
			continue
		}
		if b.trailer == nil {
			b.trailer = http.Header{}
		}
		b.trailer.Add(k, v)
	}
}

// notInTrailer names the fields that must not be taken from a trailer
// (RFC 9110 §6.5.1).
func notInTrailer(k string) bool {
	switch k {
	case "Content-Length", "Transfer-Encoding", "Trailer", "Host", "Connection", "Keep-Alive", "Te", "Upgrade",
		"Content-Encoding", "Content-Type", "Content-Range", "Authorization", "Set-Cookie", "Forwarded":
		return true
	}
	return false
}
