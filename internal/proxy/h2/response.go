package h2

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// responseWriter is an [http.ResponseWriter]. It flushes, has deadlines
// ([http.ResponseController]) and sends interim answers and trailers, as
// net/http's does. It differs in that it guesses no Content-Type, and that a
// Connection field is dropped and means nothing.
//
// An answer is kept back until it has grown to answerBuffer, is flushed, or
// ends: a small one is one write with its header.
type responseWriter struct {
	s        *stream
	sc       *scratch // nil when the handler has returned
	status   int      // 0 before WriteHeader
	length   int64    // Content-Length; -1 none
	wrote    int64
	bodiless bool
	trailers []string // declared

	room     sync.Cond // what follows is guarded by the connection's lock
	deadline deadline
	headed   bool // the header was sent
}

// field is a field as it is sent.
type field struct{ name, value string }

func (w *responseWriter) init(s *stream) {
	w.s, w.length, w.room.L = s, -1, &s.c.mu
}

// Header gives the header map, and after WriteHeader the place for trailers.
func (w *responseWriter) Header() http.Header {
	if w.sc == nil {
		return http.Header{}
	}
	return w.sc.header
}

// WriteHeader notes a status and the fields as they are now; an interim one
// (1xx but 101, which HTTP/2 does not have) is sent at once.
func (w *responseWriter) WriteHeader(status int) {
	if w.status != 0 || w.sc == nil || status == http.StatusSwitchingProtocols {
		return
	}
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("h2: invalid status %d", status))
	}
	w.collect(status)
	if status >= 200 {
		w.status = status
		w.bodiless = w.s.req.Method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
		return
	}
	c := w.s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if status == http.StatusContinue {
		w.s.body.expects = false
	}
	if w.s.err == nil {
		c.appendHead(w.s.id, status, w.sc.fields, false)
		c.flush(w.s)
	}
}

// collect copies the fields that are to be sent.
func (w *responseWriter) collect(status int) {
	fields := w.sc.fields[:0]
	w.length, w.trailers = -1, nil
	for k, values := range w.sc.header {
		switch k {
		case "Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade":
			continue // RFC 9113 §8.2.2
		case "Content-Length":
			if len(values) > 0 {
				if n, err := parseLength(values[0]); err == nil {
					w.length = n
					fields = append(fields, field{"content-length", values[0]})
				}
			}
			continue
		case "Trailer":
			w.declare(values)
		}
		if strings.HasPrefix(k, http.TrailerPrefix) {
			continue
		}
		fields = appendFields(fields, lower(k), values)
	}
	if _, ok := w.sc.header["Date"]; !ok && status >= 200 {
		fields = append(fields, field{"date", w.s.c.srv.date()})
	}
	w.sc.fields = fields
}

func appendFields(fields []field, name string, values []string) []field {
	if !validName(name) {
		return fields
	}
	for _, v := range values {
		if validValue(v) {
			fields = append(fields, field{name, v})
		} else if v = strings.Trim(v, " \t"); validValue(v) {
			fields = append(fields, field{name, v})
		}
	}
	return fields
}

func (w *responseWriter) declare(values []string) {
	for _, v := range values {
		for name := range strings.SplitSeq(v, ",") {
			k := http.CanonicalHeaderKey(strings.Trim(name, " \t"))
			if k != "" && !notInTrailer(k) {
				w.trailers = append(w.trailers, k)
			}
		}
	}
}

// Write sends p, or keeps it for a while. It waits while the client takes
// nothing, and fails when the stream or the connection has ended.
func (w *responseWriter) Write(p []byte) (int, error) {
	if w.sc == nil {
		return 0, errReturned
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.bodiless {
		if w.s.req.Method == http.MethodHead {
			return len(p), nil
		}
		return 0, http.ErrBodyNotAllowed
	}
	if w.length >= 0 && w.wrote+int64(len(p)) > w.length {
		return 0, http.ErrContentLength
	}
	w.wrote += int64(len(p))
	if w.keep(p) {
		return len(p), nil
	}
	if err := w.send(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *responseWriter) keep(p []byte) bool {
	if len(w.sc.buf)+len(p) > answerBuffer {
		return false
	}
	if w.sc.buf == nil {
		w.sc.buf = make([]byte, 0, answerBuffer)
	}
	w.sc.buf = append(w.sc.buf, p...)
	return true
}

// send sends what was kept, then p.
func (w *responseWriter) send(p []byte) error {
	c := w.s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.s.err != nil {
		return w.s.err
	}
	if w.deadline.past {
		return os.ErrDeadlineExceeded
	}
	w.sendHead(false)
	for _, part := range [...][]byte{w.sc.buf, p} {
		if len(part) == 0 {
			continue
		}
		if err := c.send(w.s, part, false); err != nil {
			return err
		}
	}
	w.sc.buf = w.sc.buf[:0]
	c.flush(w.s)
	return w.s.err
}

func (w *responseWriter) sendHead(last bool) {
	if !w.headed {
		w.headed = true
		w.s.body.expects = false
		w.s.c.appendHead(w.s.id, w.status, w.sc.fields, last)
		w.s.sentEnd = last
	}
}

// Flush sends what was kept.
func (w *responseWriter) Flush() { w.FlushError() }

// FlushError is what [http.ResponseController.Flush] looks for.
func (w *responseWriter) FlushError() error {
	if w.sc == nil {
		return errReturned
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return w.send(nil)
}

// SetReadDeadline bounds the reading of the request's body. A time that has
// passed ends a Read that waits.
func (w *responseWriter) SetReadDeadline(t time.Time) error {
	w.s.c.mu.Lock()
	defer w.s.c.mu.Unlock()
	w.s.body.limit.set(t, &w.s.body.cond)
	return nil
}

// SetWriteDeadline bounds how long a Write may wait for the client. After it
// has passed the answer cannot be completed.
func (w *responseWriter) SetWriteDeadline(t time.Time) error {
	w.s.c.mu.Lock()
	defer w.s.c.mu.Unlock()
	w.deadline.set(t, &w.room)
	return nil
}

// EnableFullDuplex does nothing: HTTP/2 has it.
func (w *responseWriter) EnableFullDuplex() error { return nil }

// prepare fills in what the end of the answer makes known.
func (w *responseWriter) prepare() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.addPrefixed()
	if !w.headed && w.length < 0 && !w.bodiless && len(w.trailers) == 0 {
		w.length = w.wrote
		w.sc.fields = append(w.sc.fields, field{"content-length", strconv.FormatInt(w.wrote, 10)})
	}
}

// addPrefixed declares the trailers that go by [http.TrailerPrefix].
func (w *responseWriter) addPrefixed() {
	for k := range w.sc.header {
		if strings.HasPrefix(k, http.TrailerPrefix) {
			w.trailers = append(w.trailers, k)
		}
	}
}

// end sends the rest of the answer; c.mu is held.
func (w *responseWriter) end() {
	s, c := w.s, w.s.c
	if s.err != nil {
		return
	}
	if w.length >= 0 && w.wrote < w.length && !w.bodiless || w.deadline.past {
		c.reset(s, codeInternal) // RFC 9113 §8.1.1: it would be taken for malformed
		return
	}
	trailer := w.trailer()
	w.sendHead(len(w.sc.buf) == 0 && len(trailer) == 0)
	if s.sentEnd {
		return
	}
	if len(w.sc.buf) > 0 || len(trailer) == 0 {
		if err := c.send(s, w.sc.buf, len(trailer) == 0); err != nil {
			if s.err == nil {
				c.reset(s, codeInternal)
			}
			return
		}
	}
	if len(trailer) > 0 {
		c.appendHead(s.id, 0, trailer, true)
		s.sentEnd = true
	}
}

// trailer gives the trailer section (RFC 9113 §8.1).
func (w *responseWriter) trailer() []field {
	if len(w.trailers) == 0 {
		return nil
	}
	var out []field
	for _, k := range w.trailers {
		name := strings.TrimPrefix(k, http.TrailerPrefix)
		if !notInTrailer(http.CanonicalHeaderKey(name)) {
			out = appendFields(out, lower(name), w.sc.header[k])
		}
	}
	return out
}
