package proxy

import (
	"encoding/binary"
	"net/http"
	"strings"
	"sync"
	"time"
)

// halfEvent is how long an answer that was asked to end waits for the rest of
// an event that has begun.
const halfEvent = time.Second

// seams follows an answer that is made of events, lines or messages, so that it
// can be ended between two of them. ask may be called beside pass.
type seams struct {
	word string // for the metrics

	mu      sync.Mutex
	parts   follower
	asked   bool
	lenient bool // an unfinished part is dropped by the client
}

// follower finds the ends of the parts that a flow of bytes is made of.
type follower interface {
	// follow goes through p, or up to behind the first end of a part if stop is
	// set, and gives how far it came.
	follow(p []byte, stop bool) int
	// between tells whether no part has begun, or the last one has ended.
	between() bool
}

// seamsOf gives the seams of an answer with such a header, nil when it has none
// that we know. An answer whose length was told has none: it cannot end sooner.
func seamsOf(h http.Header) *seams {
	if h["Content-Length"] != nil {
		return nil
	}
	coded := h["Content-Encoding"] != nil
	mime, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	switch strings.ToLower(strings.TrimSpace(mime)) {
	case "text/event-stream":
		if coded {
			return &seams{word: "events", parts: seamless{}, lenient: true}
		}
		return &seams{word: "events", parts: &events{start: true}, lenient: true}
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-seq":
		if !coded {
			return &seams{word: "lines", parts: &lines{}}
		}
	case "application/grpc", "application/grpc+proto", "application/grpc+json":
		return &seams{word: "grpc", parts: &messages{}}
	}
	return nil
}

// ask notes that the answer is to end, and tells whether it can do so where it
// is: whatever comes then is not passed on any more.
func (s *seams) ask() (between bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = true
	return s.parts.between()
}

// pass gives what of a piece belongs to the answer; over tells that the answer
// ends behind that.
func (s *seams) pass(piece []byte) (part []byte, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.asked {
		s.parts.follow(piece, false)
		return piece, false
	}
	if s.parts.between() {
		return nil, true
	}
	n := s.parts.follow(piece, true)
	return piece[:n], s.parts.between()
}

// endsWell tells whether the answer can be passed off as whole where it is.
func (s *seams) endsWell() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lenient || s.parts.between()
}

// seamless is what cannot be looked into.
type seamless struct{}

func (seamless) follow(p []byte, _ bool) int { return len(p) }
func (seamless) between() bool               { return true }

// events follows server-sent events (WHATWG HTML §9.2.5): lines that end in CR,
// LF or both, and an empty line behind each event. Comments between two events
// belong to none.
type events struct {
	start  bool // at the start of a line
	fields bool // the event has begun
	cr     bool // the last byte was a CR: an LF belongs to it
}

func (e *events) between() bool { return e.start && !e.fields }

func (e *events) follow(p []byte, stop bool) int {
	for i, c := range p {
		e.next(c)
		if stop && e.between() {
			return i + 1
		}
	}
	return len(p)
}

func (e *events) next(c byte) {
	afterCR := e.cr
	e.cr = c == '\r'
	switch {
	case c == '\n' && afterCR:
	case c == '\n' || c == '\r':
		if e.start { // an empty line
			e.fields = false
		}
		e.start = true
	case e.start:
		e.start = false
		e.fields = e.fields || c != ':'
	}
}

// lines follows what ends in LF: newline-delimited JSON, and JSON text
// sequences (RFC 7464).
type lines struct{ inside bool }

func (l *lines) between() bool { return !l.inside }

func (l *lines) follow(p []byte, stop bool) int {
	for i, c := range p {
		l.inside = c != '\n'
		if stop && !l.inside {
			return i + 1
		}
	}
	return len(p)
}

// messages follows gRPC's length-prefixed messages: a flag, four bytes of
// length, the message.
type messages struct {
	head [5]byte
	have int   // of head
	left int64 // of the message
}

func (m *messages) between() bool { return m.have == 0 && m.left == 0 }

func (m *messages) follow(p []byte, stop bool) int {
	for i := 0; i < len(p); {
		if m.left == 0 {
			n := copy(m.head[m.have:], p[i:])
			i, m.have = i+n, m.have+n
			if m.have < len(m.head) {
				break
			}
			m.have, m.left = 0, int64(binary.BigEndian.Uint32(m.head[1:]))
		}
		n := min(m.left, int64(len(p)-i))
		i, m.left = i+int(n), m.left-n
		if stop && m.between() {
			return i
		}
	}
	return len(p)
}
