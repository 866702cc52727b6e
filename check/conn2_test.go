package check

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A peer2 is the server's end of a connection, frame by frame.
type peer2 struct {
	*testing.T
	net.Conn
	*http2.Framer
}

// talk connects a client with a server that has these settings.
func talk(t *testing.T, h habits, settings ...http2.Setting) (*conn2, *peer2) {
	t.Helper()
	client, server := net.Pipe()
	p := &peer2{t, server, http2.NewFramer(server, server)}
	p.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	greeted := make(chan struct{})
	go func() {
		defer close(greeted)
		_, _ = io.ReadFull(server, make([]byte, len(http2.ClientPreface)))
		next[*http2.SettingsFrame](p)
		next[*http2.WindowUpdateFrame](p)
		_ = p.WriteSettings(settings...)
		next[*http2.SettingsFrame](p) // its acknowledgement
	}()
	c, err := speak(t.Context(), client, "http", "example", h)
	if err != nil {
		t.Fatal(err)
	}
	<-greeted
	t.Cleanup(func() { c.Close(); server.Close() })
	return c, p
}

// next reads a frame that must be of this kind.
func next[F http2.Frame](p *peer2) F {
	p.Helper()
	f, err := p.ReadFrame()
	want, ok := f.(F)
	if !ok {
		p.Errorf("got %v, %v; want a %T", f, err, want)
	}
	return want
}

// answer2 answers a stream with 200.
func (p *peer2) answer2(id uint32, last bool) {
	const status200 = 0x88 // RFC 7541, appendix A
	_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: []byte{status200}, EndHeaders: true, EndStream: last})
}

// A client that knows of a GOAWAY opens no stream, and takes the answers to
// those that it has opened.
func TestNoStreamAfterGoAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := talk(t, habits{})
		go c.get("/")
		next[*http2.MetaHeadersFrame](p)
		_ = p.WriteGoAway(1, http2.ErrCodeNo, nil)
		synctest.Wait()
		if _, err := c.get("/"); err != errTold {
			t.Errorf("a stream behind GOAWAY: %v, want %v", err, errTold)
		}
		p.answer2(1, true)
		if a := c.answer(t.Context(), c.streams[1]); a.ending != whole || a.status != 200 || !a.close {
			t.Errorf("got %+v", a)
		}
	})
}

// What a client that is far away sends meanwhile crosses the GOAWAY.
func TestDistantLearnsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := talk(t, habits{lag: farAway})
		go io.Copy(io.Discard, p.Conn)
		_ = p.WriteGoAway(0, http2.ErrCodeNo, nil)
		said := time.Now()
		asked := c.askOn(t.Context(), func() (*stream2, error) { return c.get("/") })
		if took := time.Since(said); took < farAway || took > farAway+2*betweenAsk2 {
			t.Errorf("it asked for %v, and should for %v", took, farAway)
		}
		if n := len(asked); n < 9 || n > 11 {
			t.Errorf("%d requests, want one each %v", n, betweenAsk2)
		}
		if got := c.fates(t.Context(), asked, succeeded); got[fateDisowned] != len(asked) {
			t.Errorf("fates %v, want %d disowned", got, len(asked))
		}
		if told := c.goaways[0].at; told.After(said) {
			t.Errorf("GOAWAY is noted %v after it was sent", told.Sub(said))
		}
	})
}

// However slow a client is to ask, some of its requests cross.
func TestDistantMustCross(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := talk(t, habits{lag: farAway})
		go io.Copy(io.Discard, p.Conn)
		c.mustCross()
		_ = p.WriteGoAway(0, http2.ErrCodeNo, nil)
		time.Sleep(2 * farAway)
		asked := c.askOn(t.Context(), func() (*stream2, error) { return c.get("/") })
		if len(asked) != leastCrossing {
			t.Errorf("%d requests, want %d", len(asked), leastCrossing)
		}
	})
	synctest.Test(t, func(t *testing.T) { // and one who does not ask learns in the end
		c, p := talk(t, habits{lag: farAway})
		c.mustCross()
		began := time.Now()
		_ = p.WriteGoAway(0, http2.ErrCodeNo, nil)
		if !c.goodbye(t.Context()) || time.Since(began) != longestWay {
			t.Errorf("told after %v, want %v", time.Since(began), longestWay)
		}
	})
}

// The end of a distant connection comes late, too, and behind what was sent.
func TestDistantEndsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, server := net.Pipe()
		c := far(near, time.Second)
		defer c.Close()
		began := time.Now()
		go func() {
			io.WriteString(server, "last words")
			server.Close()
		}()
		got, err := io.ReadAll(c)
		if took := time.Since(began); string(got) != "last words" || err != nil || took != time.Second {
			t.Errorf("%q, %v after %v", got, err, took)
		}
	})
}

func TestDistantClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, _ := net.Pipe()
		c := far(near, time.Second)
		time.AfterFunc(time.Second, func() { c.Close() })
		if _, err := c.Read(make([]byte, 1)); err != net.ErrClosed {
			t.Error(err)
		}
	})
}

// A body is sent as the server takes it.
func TestWindowsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := talk(t, habits{}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
		sent := make(chan error)
		go func() {
			st, err := c.open("POST", "/", false)
			if err == nil {
				err = c.send(t.Context(), st, make([]byte, 25), true)
			}
			sent <- err
		}()
		id := next[*http2.MetaHeadersFrame](p).StreamID
		for _, n := range []int{10, 12, 3} {
			d := next[*http2.DataFrame](p)
			if len(d.Data()) != n || d.StreamEnded() != (n == 3) {
				t.Errorf("%d bytes, last %v; want %d", len(d.Data()), d.StreamEnded(), n)
			}
			if n != 3 {
				_ = p.WriteWindowUpdate(id, 12)
			}
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	})
}

func TestStreamsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := talk(t, habits{}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
		go c.get("/")
		next[*http2.MetaHeadersFrame](p)
		if _, err := c.get("/"); err != errFull {
			t.Errorf("a second stream: %v, want %v", err, errFull)
		}
		p.answer2(1, true)
		synctest.Wait()
		go c.get("/")
		next[*http2.MetaHeadersFrame](p)
	})
}

// Each way in which a stream can end is told by its name.
func TestEndingsOfStreams(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(p *peer2)
		want ending
	}{
		"whole":            {func(p *peer2) { p.answer2(1, true) }, whole},
		"early answer":     {func(p *peer2) { p.answer2(1, true); _ = p.WriteRSTStream(1, http2.ErrCodeNo) }, whole},
		"reset":            {func(p *peer2) { _ = p.WriteRSTStream(1, http2.ErrCodeInternal) }, resetWith(http2.ErrCodeInternal)},
		"reset half-way":   {func(p *peer2) { p.answer2(1, false); _ = p.WriteRSTStream(1, http2.ErrCodeCancel) }, resetWith(http2.ErrCodeCancel)},
		"closed":           {func(p *peer2) { p.Close() }, eof},
		"closed half-way":  {func(p *peer2) { p.answer2(1, false); p.Close() }, cut},
		"cut in a frame":   {func(p *peer2) { p.Write([]byte{0, 0, 9, 0}); p.Close() }, eof},
		"nothing":          {func(p *peer2) {}, timeout},
		"header, no more":  {func(p *peer2) { p.answer2(1, false) }, timeout},
		"not HTTP/2":       {func(p *peer2) { p.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }, malformed},
		"100, then whole":  {func(p *peer2) { p.interim(); p.answer2(1, true) }, whole},
		"100, then closed": {func(p *peer2) { p.interim(); p.Close() }, eof},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := talk(t, habits{})
				go c.get("/")
				next[*http2.MetaHeadersFrame](p)
				tt.do(p)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if got := c.answer(ctx, c.streams[1]).ending; got != tt.want {
					t.Errorf("%q, want %q", got, tt.want)
				}
			})
		})
	}
}

// interim is a 103, in a literal: its status is not among the table's.
func (p *peer2) interim() {
	const literalStatus = 0x08 // RFC 7541 §6.2.2, name of entry 8
	_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{literalStatus, 3, '1', '0', '3'}, EndHeaders: true})
}

// A server that does not greet is not taken for one that speaks HTTP/2.
func TestNoGreeting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer server.Close()
		go io.Copy(io.Discard, server)
		if _, err := speak(t.Context(), client, "http", "example", habits{}); err == nil {
			t.Error("it was greeted by nobody")
		}
	})
}
