package proxy

import (
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// accessLog writes one JSON object a line, behind the requests: they only
// append to a buffer. What does not fit because the disk is slow or full is
// dropped and counted.
type accessLog struct {
	on      atomic.Bool
	dropped atomic.Int64

	mu   sync.Mutex // guards buf
	buf  []byte
	idle []byte // the other buffer, when no write is under way

	file sync.Mutex // guards what follows; never held with mu by a request
	path string
	f    *os.File
}

const logBuffer = 1 << 20

func (l *accessLog) open(path string) error {
	l.flush()
	l.file.Lock()
	defer l.file.Unlock()
	if l.f != nil {
		l.f.Close()
		l.f = nil
	}
	l.on.Store(false)
	l.path = path
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	l.f = f
	l.on.Store(true)
	return nil
}

// add appends the line that line gives.
func (l *accessLog) add(line func(b []byte) []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.buf) > logBuffer {
		l.dropped.Add(1)
		return
	}
	l.buf = line(l.buf)
}

func (l *accessLog) flush() {
	l.file.Lock()
	defer l.file.Unlock()
	l.mu.Lock()
	full := l.buf
	l.buf, l.idle = l.idle[:0], nil
	l.mu.Unlock()
	if len(full) > 0 && l.f != nil {
		l.f.Write(full) // a full disk costs lines, never requests
	}
	l.mu.Lock()
	l.idle = full[:0]
	l.mu.Unlock()
}

func (l *accessLog) close() {
	l.flush()
	l.open("")
}

// appendEntry writes the record of an exchange.
func (x *exchange) appendEntry(b []byte, took time.Duration) []byte {
	r := x.r
	b = append(b, `{"time":"`...)
	b = time.Now().UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, `","client":"`...)
	b = append(b, x.conn.sender.text...)
	b = append(b, '"')
	b = appendJSON(b, "method", r.Method)
	b = appendJSON(b, "host", r.Host)
	b = appendJSON(b, "uri", r.RequestURI)
	b = appendJSON(b, "proto", r.Proto)
	b = appendNumber(b, "status", int64(x.status))
	b = appendNumber(b, "bytes", x.out)
	b = appendNumber(b, "received", x.rcv)
	b = appendNumber(b, "duration_us", took.Microseconds())
	if x.target != nil {
		b = appendJSON(b, "service", x.target.name)
	}
	if x.in != nil {
		b = appendJSON(b, "instance", x.in.ID)
		b = appendJSON(b, "release", x.in.Release)
	}
	if n := len(x.tried); n > 0 {
		b = appendNumber(b, "retries", int64(n))
	}
	if x.word != "" {
		b = appendJSON(b, "error", x.word)
	}
	return append(b, "}\n"...)
}

func appendNumber(b []byte, k string, n int64) []byte {
	b = append(append(append(b, `,"`...), k...), `":`...)
	return strconv.AppendInt(b, n, 10)
}

func appendJSON(b []byte, k, v string) []byte {
	b = append(append(append(b, `,"`...), k...), `":"`...)
	b = appendEscaped(b, v)
	return append(b, '"')
}

// appendEscaped writes the inside of a JSON string (RFC 8259 §7).
func appendEscaped(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += n
			continue
		}
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
		i++
	}
	return b
}
