package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// An eventStream follows server-sent events (WHATWG HTML §9.2.5, §9.2.6), to
// know whether the client has been given all that came: an event counts from the
// empty line behind it, and one that has none when the stream ends is dropped.
type eventStream struct {
	whole   int    // events that have come
	pending bool   // the next has begun
	line    []byte // of the line that has begun, as much as tells its kind
	cr      bool   // the last byte was a CR, to which an LF belongs
}

// Write takes what has come. It never fails.
func (s *eventStream) Write(b []byte) (int, error) {
	for _, c := range b {
		switch {
		case c == '\n' && s.cr: // the line has ended
		case c == '\n' || c == '\r':
			s.endLine()
		case len(s.line) < len("\ufeffevent:"):
			s.line = append(s.line, c)
		}
		s.cr = c == '\r'
	}
	return len(b), nil
}

func (s *eventStream) endLine() {
	switch {
	case len(s.line) == 0 && s.pending:
		s.whole++
		s.pending = false
	case s.belongs():
		s.pending = true
	}
	s.line = s.line[:0]
}

// belongs reports whether the line is part of an event. Comments are not, nor is
// retry, which counts at once.
func (s *eventStream) belongs() bool {
	name, _, _ := bytes.Cut(s.line, []byte(":"))
	switch string(bytes.TrimPrefix(name, []byte("\ufeff"))) {
	case "data", "event", "id":
		return true
	}
	return false
}

// between reports whether the client has been given all that came.
func (s *eventStream) between() bool {
	return !s.pending && (len(s.line) == 0 || s.line[0] == ':')
}

// openedEvents is an answer of events that has begun.
type openedEvents struct {
	*eventStream
	io.Closer
	toEnd func(context.Context) ending // follows it to its end, for as long as ctx lasts
}

const eventsType = "text/event-stream"

// isEvents refuses an answer that is something else.
func isEvents(a answer) error {
	switch {
	case a.ending != whole:
		return errors.New(string(a.ending))
	case a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), eventsType):
		return fmt.Errorf("answered %d with the type %q, and no events", a.status, a.header.Get("Content-Type"))
	}
	return nil
}

func (s *Stage) openEvents(ctx context.Context) (*openedEvents, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	if err = c.get(s.target.Paths.Events, "Accept: "+eventsType); err == nil {
		res, a := c.opening(s.patience())
		if err = isEvents(a); err == nil {
			e := &openedEvents{eventStream: new(eventStream), Closer: c}
			e.toEnd = func(context.Context) ending {
				_ = c.SetReadDeadline(s.patience()) // which ends with the grace
				if _, err := io.Copy(e.eventStream, res.Body); err != nil {
					return endingOf(err, true)
				}
				return whole
			}
			return e, nil
		}
	}
	c.Close()
	return nil, err
}

func (s *Stage) openEvents2(ctx context.Context) (*openedEvents, error) {
	events := new(eventStream)
	c, err := dial2(ctx, s.server, habits{to: events})
	if err != nil {
		return nil, err
	}
	st, err := c.open(http.MethodGet, s.target.Paths.Events, true, "accept: "+eventsType)
	if err == nil {
		err = isEvents(c.opening(ctx, st))
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return &openedEvents{events, c, func(ctx context.Context) ending {
		e := c.answer(ctx, st).ending
		c.Close() // so that nobody writes to events any more
		return e
	}}, nil
}
