package check

import (
	"errors"
	"io"
	"net/http"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// read takes frames until the connection ends.
func (c *conn2) read() {
	defer close(c.done)
	for {
		f, err := c.fr.ReadFrame()
		if err != nil {
			c.change(func() { c.end, c.endAt = ending2(err), c.now() })
			return
		}
		c.change(func() { c.take(f) })
		c.reply(f)
	}
}

// closed is the end of a connection between two frames, which says nothing of
// the streams on it.
const closed ending = "closed"

func ending2(err error) ending {
	switch {
	case errors.Is(err, io.EOF):
		return closed
	case errors.Is(err, io.ErrUnexpectedEOF):
		return cut
	}
	return endingOf(err, false)
}

// take notes what a frame says. c.mu is held.
func (c *conn2) take(f http2.Frame) {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		c.takeSettings(f)
	case *http2.PingFrame:
		if f.IsAck() {
			c.pongs++
		}
	case *http2.GoAwayFrame:
		c.goaways = append(c.goaways, goAway{f.LastStreamID, f.ErrCode, c.now()})
	case *http2.WindowUpdateFrame:
		if st := c.streams[f.StreamID]; st != nil {
			st.room += int(f.Increment)
		} else if f.StreamID == 0 {
			c.room += int(f.Increment)
		}
	default:
		if st := c.streams[f.Header().StreamID]; st != nil {
			st.at = c.now()
			st.take(f)
			if d, ok := f.(*http2.DataFrame); ok && c.to != nil {
				_, _ = c.to.Write(d.Data())
			}
		}
	}
}

func (c *conn2) takeSettings(f *http2.SettingsFrame) {
	if f.IsAck() {
		return
	}
	c.greeted = true
	if v, ok := f.Value(http2.SettingMaxConcurrentStreams); ok {
		c.most = int(min(v, usualStreams))
	}
	if v, ok := f.Value(http2.SettingInitialWindowSize); ok {
		for _, st := range c.streams {
			st.room += int(v) - c.window // RFC 9113 §6.9.2
		}
		c.window = int(v)
	}
}

// take notes a frame of the answer.
func (st *stream2) take(f http2.Frame) {
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		st.takeFields(f)
		st.over = st.over || f.StreamEnded()
	case *http2.DataFrame:
		st.length += len(f.Data())
		st.body = append(st.body, f.Data()[:min(len(f.Data()), mostBody-len(st.body))]...)
		st.over = st.over || f.StreamEnded()
	case *http2.RSTStreamFrame:
		if !st.over { // after a whole answer it only stops the request's body (RFC 9113 §8.1)
			st.reset, st.code = true, f.ErrCode
		}
	}
}

func (st *stream2) takeFields(f *http2.MetaHeadersFrame) {
	fields := headerOf(f.RegularFields())
	status := f.PseudoValue("status")
	switch {
	case status == "":
		st.trailer = fields
	case status[0] == '1': // RFC 9110 §15.2: any number may come before the answer
	default:
		st.status, st.header = atoi(status), fields
	}
}

func headerOf(fields []hpack.HeaderField) http.Header {
	h := http.Header{}
	for _, f := range fields {
		h.Add(f.Name, f.Value)
	}
	return h
}

// reply sends what a frame asks for. A write that fails tells nothing that the
// next read will not.
func (c *conn2) reply(f http2.Frame) {
	c.out.Lock()
	defer c.out.Unlock()
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			_ = c.fr.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			_ = c.fr.WritePing(true, f.Data)
		}
	case *http2.DataFrame: // what was read may come again
		if f.Length > 0 {
			_ = c.fr.WriteWindowUpdate(0, f.Length)
		}
		if f.Length > 0 && !f.StreamEnded() {
			_ = c.fr.WriteWindowUpdate(f.StreamID, f.Length)
		}
	}
}
