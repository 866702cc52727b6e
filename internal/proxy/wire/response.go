package wire

// Response is the head of one answer. Parse fills it; it may be used again.
type Response struct {
	Minor, Status int
	Length        int64 // of the body, as the fields say; -1 not known
	Chunked       bool
	Line          int // length of the status line, its CRLF included
	// IdleSeconds is the timeout of a Keep-Alive field, -1 none.
	IdleSeconds int
	Dated       bool // a Date field was sent
	Events      bool // text/event-stream
	Fields      []Field

	connection
}

// Parse parses a whole head, of which [HeadEnd] has told the end. An error is
// an *Error.
func (r *Response) Parse(head []byte) error {
	*r = Response{Length: -1, IdleSeconds: -1, Fields: r.Fields[:0], connection: connection{Nominated: r.Nominated[:0]}}
	if err := r.parseLine(head); err != nil {
		return err
	}
	var err error
	if r.Fields, err = parseFields(r.Fields, head, r.Line); err != nil {
		return err
	}
	return r.judge()
}

// Bodiless tells whether the answer has no body, whatever its fields say
// (RFC 9112 §6.3).
func (r *Response) Bodiless(head bool) bool {
	return head || r.Status < 200 || r.Status == 204 || r.Status == 304
}

func (r *Response) parseLine(b []byte) error {
	if len(b) < 14 || string(b[:7]) != "HTTP/1." || b[7] != '0' && b[7] != '1' || b[8] != ' ' {
		return errStatus
	}
	r.Minor = int(b[7] - '0')
	for _, c := range b[9:12] {
		if !digit(c) {
			return errStatus
		}
		r.Status = r.Status*10 + int(c-'0')
	}
	n := 12
	if b[n] == ' ' {
		n += span(b[n:], isValue)
	}
	if r.Status < 100 || n+1 >= len(b) || b[n] != '\r' || b[n+1] != '\n' {
		return errStatus
	}
	r.Line = n + 2
	return nil
}

func (r *Response) judge() error {
	for i := range r.Fields {
		f := &r.Fields[i]
		switch f.Kind {
		case ContentLength:
			n, ok := parseLength(f.Value)
			if !ok || r.Length >= 0 {
				return errLength
			}
			r.Length = n
		case TransferEncoding:
			if r.Chunked || r.Minor == 0 || !Is(f.Value, "chunked") {
				return errCoding
			}
			r.Chunked = true
		case Connection:
			r.add(f.Value)
		case KeepAlive:
			r.IdleSeconds = keepAliveTimeout(f.Value)
		case Date:
			r.Dated = true
		case ContentType:
			const events = "text/event-stream"
			r.Events = r.Events || len(f.Value) >= len(events) && Is(f.Value[:len(events)], events)
		}
	}
	if r.Chunked && r.Length >= 0 {
		return errFraming
	}
	return nil
}

// keepAliveTimeout gives the timeout of a Keep-Alive field, or -1.
func keepAliveTimeout(v []byte) int {
	for len(v) > 0 {
		var item []byte
		item, v = nextItem(v)
		const name = "timeout="
		if len(item) <= len(name) || !Is(item[:len(name)], name) {
			continue
		}
		n := item[len(name):]
		if len(n) > 2 && n[0] == '"' && n[len(n)-1] == '"' {
			n = n[1 : len(n)-1]
		}
		if s, ok := parseLength(n); ok && s < 1<<30 {
			return int(s)
		}
	}
	return -1
}
