// Package wire reads HTTP/1.1 as RFC 9112 writes it and in no other way.
//
// It promises:
//
//   - What it accepts has one meaning. Wherever RFC 9112 lets a recipient repair
//     or guess, it refuses: bare CR or LF, folded lines, whitespace before a
//     colon, more than one framing of a body, anything but exactly "chunked".
//   - What it accepts as a request, net/http accepts as the same request.
//   - It allocates nothing once its slices have grown, and keeps nothing: names
//     and values point into the bytes it was given.
//
// It does no I/O. Its callers find a head with [HeadEnd], parse it with
// [Request.Parse] or [Response.Parse], and follow a body with [Chunks].
package wire

import "bytes"

// Error is a message that is refused; Status is the answer it deserves.
type Error struct {
	Status int
	Text   string
}

func (e *Error) Error() string { return e.Text }

// Everything that is refused, by what is wrong.
var (
	errLineEnd   = &Error{400, "a line does not end in CRLF"}
	errLine      = &Error{400, "malformed request line"}
	errVersion   = &Error{505, "HTTP version is neither 1.0 nor 1.1"}
	errTarget    = &Error{400, "malformed request target"}
	errMethod    = &Error{400, "the method is not for a reverse proxy"}
	errName      = &Error{400, "malformed field name"}
	errValue     = &Error{400, "malformed field value"}
	errHost      = &Error{400, "Host is missing, repeated or malformed"}
	errLength    = &Error{400, "Content-Length is repeated or malformed"}
	errCoding    = &Error{501, "transfer coding is not chunked"}
	errFraming   = &Error{400, "two framings of one body"}
	errOldCoding = &Error{400, "Transfer-Encoding in HTTP/1.0"}
	errChunk     = &Error{400, "malformed chunk"}
	errTrailer   = &Error{400, "field is not allowed in a trailer"}
	errStatus    = &Error{502, "malformed status line"}
)

// HeadEnd gives the length of the section of lines that b begins with, its
// empty line included, or 0 while that has not come. from is where to go on
// after a call that gave 0, as next said; 0 at first. A line that ends in a
// bare LF is an error at once.
func HeadEnd(b []byte, from int) (end, next int, err error) {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return 0, from, nil
		}
		if i == 0 || b[from+i-1] != '\r' {
			return 0, from, errLineEnd
		}
		from += i + 1
		if i == 1 {
			return from, from, nil
		}
	}
}

// Leading gives the length of an empty line that may stand before a request
// (RFC 9112 §2.2), 0 or 2.
func Leading(b []byte) int {
	if len(b) >= 2 && b[0] == '\r' && b[1] == '\n' {
		return 2
	}
	return 0
}

const (
	isToken  = 1 << iota // RFC 9110 §5.6.2 tchar
	isValue              // RFC 9110 §5.5 field-vchar, obs-text, SP, HTAB
	isTarget             // may stand in a request target
	isHost               // RFC 3986 §3.2.2, with port and brackets
	isHex
)

var class = func() (t [256]byte) {
	for i := range t {
		c := byte(i)
		alnum := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		set := func(bit byte, ok bool) {
			if ok {
				t[i] |= bit
			}
		}
		set(isToken, alnum || in(c, "!#$%&'*+-.^_`|~"))
		set(isValue, c == '\t' || c >= ' ' && c != 0x7f)
		set(isTarget, c > ' ' && c != 0x7f && c != '#')
		set(isHost, alnum || in(c, "-._~%!$&'()*+,;=:[]"))
		set(isHex, '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f')
	}
	return t
}()

func in(c byte, set string) bool {
	for i := range len(set) {
		if set[i] == c {
			return true
		}
	}
	return false
}

// span gives how many bytes of b at its beginning are of a class.
func span(b []byte, bit byte) int {
	for i, c := range b {
		if class[c]&bit == 0 {
			return i
		}
	}
	return len(b)
}

// Is tells whether b is word, which must be in lower case, in any case.
func Is(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != word[i] {
			return false
		}
	}
	return true
}
