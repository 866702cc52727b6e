package drill

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"golang.org/x/net/http2"
)

// readLoop reads frames until the connection ends. It is the only reader.
func (c *conn2) readLoop() {
	for {
		f, err := c.fr.ReadFrame()
		detail := c.fr.ErrorDetail()
		if err == nil {
			err = c.handle(f)
		}
		var se http2.StreamError
		if errors.As(err, &se) {
			c.abort(se)
			continue
		}
		if err != nil {
			c.fail(describe(err, detail))
			return
		}
	}
}

// describe adds the framer's detail to a protocol error.
func describe(err, detail error) error {
	if detail != nil && !isEOF(err) && !isReset(err) {
		return fmt.Errorf("%w: %w", err, detail)
	}
	return err
}

// handle deals with one frame. A StreamError ends the stream, any other the
// connection.
func (c *conn2) handle(f http2.Frame) error {
	c.mu.Lock()
	c.frames++
	c.mu.Unlock()
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		return c.onHeaders(f)
	case *http2.DataFrame:
		return c.onData(f)
	case *http2.RSTStreamFrame:
		c.onReset(f)
	case *http2.GoAwayFrame:
		c.onGoAway(f)
	case *http2.SettingsFrame:
		return c.onSettings(f)
	case *http2.PingFrame:
		c.onPing(f)
	case *http2.WindowUpdateFrame:
		return c.onWindow(f)
	case *http2.PushPromiseFrame:
		return text("PUSH_PROMISE, though push is turned off")
	}
	return nil
}

// reply writes what the protocol asks of a reader. That it cannot be written is
// no reason not to read what has already arrived.
func (c *conn2) reply(f func() error) {
	if err := c.write(f); err != nil {
		c.writeFailed(err)
	}
}

// abort resets a stream on which the server broke the protocol.
func (c *conn2) abort(se http2.StreamError) {
	c.mu.Lock()
	if s := c.streams[se.StreamID]; s != nil {
		s.got++ // something came, if nothing good
		c.endLocked(s, se)
	}
	c.mu.Unlock()
	c.reply(func() error { return c.fr.WriteRSTStream(se.StreamID, se.Code) })
}

func protocol(id uint32, why string) error {
	return http2.StreamError{StreamID: id, Code: http2.ErrCodeProtocol, Cause: text(why)}
}

func (c *conn2) onHeaders(f *http2.MetaHeadersFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[f.StreamID]
	if s == nil {
		return nil
	}
	s.got += int64(f.Length)
	if s.status == 0 {
		if final, err := s.begin(f); err != nil || !final {
			return err
		}
	} else if !f.StreamEnded() {
		return protocol(s.id, "a second header block that does not end the stream")
	}
	if f.StreamEnded() {
		c.completeLocked(s)
	}
	return nil
}

// begin takes the response's header; final is false for an interim (1xx) one.
func (s *stream2) begin(f *http2.MetaHeadersFrame) (final bool, err error) {
	status, err := strconv.Atoi(f.PseudoValue("status"))
	switch {
	case err != nil || status < 100 || status > 999:
		return false, protocol(s.id, "no valid :status")
	case f.Truncated:
		return false, protocol(s.id, errHeaderTooLarge.Error())
	case status < 200 && !f.StreamEnded():
		return false, nil
	}
	s.status, s.header = status, http.Header{}
	for _, field := range f.RegularFields() {
		s.header.Add(field.Name, field.Value)
	}
	s.length = s.declaredLength()
	return true, nil
}

// declaredLength is what the body must have (RFC 9113 §8.1.1), -1 for any.
func (s *stream2) declaredLength() int64 {
	if s.head || s.status == http.StatusNoContent || s.status == http.StatusNotModified {
		return -1
	}
	n, err := strconv.ParseInt(s.header.Get("Content-Length"), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// completeLocked ends a stream that the server has ended, if all of it came.
func (c *conn2) completeLocked(s *stream2) {
	switch {
	case s.length >= 0 && s.body.n < s.length:
		c.endLocked(s, fmt.Errorf("%d of %d bytes: %w", s.body.n, s.length, io.ErrUnexpectedEOF))
	case s.length >= 0 && s.body.n > s.length:
		c.endLocked(s, text("more bytes than Content-Length says"))
	default:
		c.endLocked(s, nil)
	}
}

func (c *conn2) onData(f *http2.DataFrame) error {
	update, err := c.receive(f)
	if err != nil || update == 0 && c.consumed < recvWindow/2 {
		return err
	}
	conn := c.consumed
	c.consumed = 0
	c.reply(func() error {
		err := c.fr.WriteWindowUpdate(0, conn)
		if err == nil && update > 0 {
			err = c.fr.WriteWindowUpdate(f.StreamID, update)
		}
		return err
	})
	return nil
}

// receive takes a piece of a body. Windows are given back once half is used;
// update is what the stream's window is to grow by.
func (c *conn2) receive(f *http2.DataFrame) (update uint32, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.consumed += f.Length // padding, and streams that are over, count too
	s := c.streams[f.StreamID]
	if s == nil {
		return 0, nil
	}
	if s.status == 0 {
		return 0, protocol(s.id, "DATA before HEADERS")
	}
	s.got += int64(f.Length)
	s.body.Write(f.Data())
	if f.StreamEnded() {
		c.completeLocked(s)
		return 0, nil
	}
	if s.consumed += f.Length; s.consumed >= recvWindow/2 {
		update, s.consumed = s.consumed, 0
	}
	return update, nil
}

func (c *conn2) onReset(f *http2.RSTStreamFrame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[f.StreamID]
	if s == nil {
		return
	}
	s.refused = f.ErrCode == http2.ErrCodeRefusedStream
	s.reset = !s.refused
	c.endLocked(s, fmt.Errorf("RST_STREAM %v", f.ErrCode))
}

// onGoAway: streams above the last id were not and will not be processed; the
// others will be answered, the server says (RFC 9113 §6.8).
func (c *conn2) onGoAway(f *http2.GoAwayFrame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving, c.goAway = true, true
	for id, s := range c.streams {
		if id > f.LastStreamID {
			s.refused = true
			c.endLocked(s, fmt.Errorf("GOAWAY %v with last stream %d, this one is %d", f.ErrCode, f.LastStreamID, id))
		}
	}
	if len(c.streams) == 0 {
		hangUp(c.nc)
	}
}

func (c *conn2) onPing(f *http2.PingFrame) {
	if !f.IsAck() {
		c.reply(func() error { return c.fr.WritePing(true, f.Data) })
	}
}

func (c *conn2) onSettings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	var invalid error
	c.reply(func() error {
		if invalid = f.ForeachSetting(c.apply); invalid != nil {
			return nil
		}
		return c.fr.WriteSettingsAck()
	})
	return invalid
}

// apply runs with the writer held.
func (c *conn2) apply(s http2.Setting) error {
	if err := s.Valid(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s.ID {
	case http2.SettingHeaderTableSize:
		c.henc.SetMaxDynamicTableSize(min(s.Val, 4096))
	case http2.SettingMaxConcurrentStreams:
		c.maxStreams = int(min(s.Val, maxStreamID))
	case http2.SettingMaxFrameSize:
		c.maxFrame = int(min(s.Val, 64<<10))
	case http2.SettingInitialWindowSize:
		delta := int64(s.Val) - c.initWindow
		c.initWindow = int64(s.Val)
		for _, st := range c.streams { // RFC 9113 §6.9.2
			st.sendWindow += delta
		}
		c.growLocked()
	}
	return nil
}

func (c *conn2) onWindow(f *http2.WindowUpdateFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s := c.streams[f.StreamID]; {
	case f.StreamID == 0:
		c.sendWindow += int64(f.Increment)
	case s != nil:
		s.sendWindow += int64(f.Increment)
	}
	if c.sendWindow > maxStreamID {
		return text("the connection's window grew beyond 2^31-1")
	}
	c.growLocked()
	return nil
}
