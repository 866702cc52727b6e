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

// logEntry is the record of one exchange.
type logEntry struct {
	client, method, host, uri, proto string
	status                           int
	out, received                    int64 // bytes of the bodies
	took                             int64 // nanoseconds
	service, instance, release       string
	answered                         bool // instance and release are known
	retries                          int
	word                             string
}

func (x *exchange) entry(took int64) *logEntry {
	r := x.r
	e := &logEntry{
		client: x.conn.sender.text, method: r.Method, host: r.Host, uri: r.RequestURI, proto: r.Proto,
		status: x.status, out: x.out, received: x.rcv, took: took, retries: len(x.tried), word: x.word,
	}
	if x.target != nil {
		e.service = x.target.name
	}
	if x.in != nil {
		e.answered, e.instance, e.release = true, x.in.ID, x.in.Release
	}
	return e
}

func (e *logEntry) append(b []byte) []byte {
	b = append(b, `{"time":"`...)
	b = time.Now().UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, `","client":"`...)
	b = append(b, e.client...)
	b = append(b, '"')
	b = appendJSON(b, "method", e.method)
	b = appendJSON(b, "host", e.host)
	b = appendJSON(b, "uri", e.uri)
	b = appendJSON(b, "proto", e.proto)
	b = appendNumber(b, "status", int64(e.status))
	b = appendNumber(b, "bytes", e.out)
	b = appendNumber(b, "received", e.received)
	b = appendNumber(b, "duration_us", e.took/int64(time.Microsecond))
	if e.service != "" {
		b = appendJSON(b, "service", e.service)
	}
	if e.answered {
		b = appendJSON(b, "instance", e.instance)
		b = appendJSON(b, "release", e.release)
	}
	if e.retries > 0 {
		b = appendNumber(b, "retries", int64(e.retries))
	}
	if e.word != "" {
		b = appendJSON(b, "error", e.word)
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
