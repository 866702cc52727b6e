package h2_test

import (
	"io"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/seguehq/segue/internal/proxy/h2"
)

// Streams count while their handlers run, whether the client has reset them or not.
func TestRapidResetStartsNoMoreHandlers(t *testing.T) {
	var running, most atomic.Int32
	release := make(chan bool)
	s := serve(t, h2.Config{MaxStreams: 10, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		most.Store(max(most.Load(), running.Add(1)))
		<-release
		running.Add(-1)
	})})
	c := dial(t, s)
	for id := uint32(1); id < 200; id += 2 {
		c.get(id)
		c.ok(c.fr.WriteRSTStream(id, http2.ErrCodeCancel))
	}
	c.ping()
	if n := most.Load(); n > 10 {
		t.Errorf("%d handlers at once", n)
	}
	close(release)
}

// What costs a client nothing is bounded, and the client is told so.
func TestFloods(t *testing.T) {
	for name, flood := range map[string]func(c *raw, i int) error{
		"resets": func(c *raw, i int) error {
			id := uint32(2*i + 1)
			c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block(":method: POST", ":scheme: http", ":authority: a", ":path: /"), EndHeaders: true})
			return c.fr.WriteRSTStream(id, http2.ErrCodeCancel)
		},
		"malformed requests": func(c *raw, i int) error {
			return c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: c.block("a: b"), EndHeaders: true, EndStream: true})
		},
		"resets of ours": func(c *raw, i int) error { // CVE-2025-8671
			id := uint32(2*i + 1)
			c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block(":method: POST", ":scheme: http", ":authority: a", ":path: /"), EndHeaders: true})
			return c.fr.WriteWindowUpdate(id, 0)
		},
		"PING":          func(c *raw, i int) error { return c.fr.WritePing(false, [8]byte{}) },
		"PING answers":  func(c *raw, i int) error { return c.fr.WritePing(true, [8]byte{}) },
		"SETTINGS":      func(c *raw, i int) error { return c.fr.WriteSettings() },
		"SETTINGS acks": func(c *raw, i int) error { return c.fr.WriteSettingsAck() },
		"WINDOW_UPDATE": func(c *raw, i int) error { return c.fr.WriteWindowUpdate(0, 1) },
		"PRIORITY":      func(c *raw, i int) error { return c.fr.WritePriority(1, http2.PriorityParam{StreamDep: 3}) },
		"unknown":       func(c *raw, i int) error { return c.fr.WriteRawFrame(0x42, 0, 0, nil) },
		"GOAWAY":        func(c *raw, i int) error { return c.fr.WriteGoAway(0, 0, nil) },
		"empty DATA": func(c *raw, i int) error {
			if i == 0 {
				return c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.block(":method: POST", ":scheme: http", ":authority: a", ":path: /"), EndHeaders: true})
			}
			return c.fr.WriteData(1, false, nil)
		},
		"empty CONTINUATION": func(c *raw, i int) error {
			if i == 0 {
				return c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.block(getFields...)})
			}
			return c.fr.WriteContinuation(1, false, nil)
		},
		"large CONTINUATION": func(c *raw, i int) error { // CVE-2023-45288
			if i == 0 {
				return c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.block(getFields...)})
			}
			return c.fr.WriteContinuation(1, false, make([]byte, 16<<10))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })})
			c := dial(t, s)
			c.flood(func(i int) error { return flood(c, i) })
			if f := until[*http2.GoAwayFrame](c, 0); f.ErrCode != http2.ErrCodeEnhanceYourCalm {
				t.Errorf("GOAWAY with %v", f.ErrCode)
			}
		})
	}
}

// A client that resets all it asks for is sent away even if it takes its time.
func TestPatientResets(t *testing.T) {
	for name, reset := range map[string]func(c *raw, id uint32) error{
		"its own": func(c *raw, id uint32) error { return c.fr.WriteRSTStream(id, http2.ErrCodeCancel) },
		"ours":    func(c *raw, id uint32) error { return c.fr.WriteWindowUpdate(id, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan bool, 10_000)
			s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				<-r.Context().Done()
				ended <- true
			})})
			c := dial(t, s)
			go func() {
				for id := uint32(1); id < 20_000; id += 2 {
					c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block(getFields...), EndStream: true, EndHeaders: true})
					if reset(c, id) != nil {
						return
					}
					select {
					case <-ended:
					case <-t.Context().Done():
						return
					}
				}
			}()
			if f := until[*http2.GoAwayFrame](c, 0); f.ErrCode != http2.ErrCodeEnhanceYourCalm {
				t.Errorf("GOAWAY with %v", f.ErrCode)
			}
		})
	}
}

// Honest work earns what goes with it: no client that is answered runs dry.
func TestHonestTrafficIsNoFlood(t *testing.T) {
	s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })})
	c := dial(t, s)
	for id := uint32(1); id < 12_000; id += 2 {
		c.post(id)
		c.ok(c.fr.WriteData(id, true, []byte("x")))
		c.ok(c.fr.WritePing(true, [8]byte{}))
		c.ok(c.fr.WriteWindowUpdate(0, 1))
		want(t, "status", c.status(id), "200")
	}
}

func TestAnswersNobodyReadsAreBounded(t *testing.T) {
	s := serve(t, h2.Config{Handler: http.NotFoundHandler(), WriteTimeout: 100 * time.Millisecond})
	c := dial(t, s)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := 0; ; i++ { // reads nothing
		if c.fr.WritePing(false, [8]byte{}) != nil {
			break
		}
		if i > 1_000_000 {
			t.Fatal("the client is still served")
		}
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("%d bytes are held", grown)
	}
}

func TestMalformedFrames(t *testing.T) {
	s := serve(t, h2.Config{Handler: http.NotFoundHandler()})
	for name, v := range map[string]struct {
		code http2.ErrCode
		send func(c *raw) error
	}{
		"window of the connection": {http2.ErrCodeFlowControl, func(c *raw) error { return c.fr.WriteWindowUpdate(0, 1<<31-1) }},
		"initial window":           {http2.ErrCodeFlowControl, func(c *raw) error { return c.fr.WriteSettings(http2.Setting{ID: 4, Val: 1 << 31}) }},
		"too large":                {http2.ErrCodeFrameSize, func(c *raw) error { return c.fr.WriteRawFrame(0, 0, 1, make([]byte, 16<<10+1)) }},
		"header block":             {http2.ErrCodeCompression, func(c *raw) error { return c.fr.WriteRawFrame(1, 5, 1, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}) }},
		"table size":               {http2.ErrCodeCompression, func(c *raw) error { return c.fr.WriteRawFrame(1, 5, 1, []byte{0x3f, 0xe2, 0x1f}) }},
		"padding":                  {http2.ErrCodeProtocol, func(c *raw) error { return c.fr.WriteRawFrame(1, 8|4, 1, []byte{9, 0}) }},
		"even id":                  {http2.ErrCodeProtocol, func(c *raw) error { return c.fr.WriteRawFrame(1, 5, 2, nil) }},
		"push":                     {http2.ErrCodeProtocol, func(c *raw) error { return c.fr.WriteRawFrame(5, 4, 1, make([]byte, 4)) }},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, s)
			c.ok(v.send(c))
			c.wantGoAway(v.code)
		})
	}
	s = serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })})
	c := dial(t, s)
	c.post(1)
	c.ok(c.fr.WriteWindowUpdate(1, 1<<31-1))
	c.wantReset(1, http2.ErrCodeFlowControl)
}

func TestNotHTTP2(t *testing.T) {
	s := serve(t, h2.Config{Handler: http.NotFoundHandler()})
	c := connect(t, s)
	io.WriteString(c.nc, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if b, err := io.ReadAll(c.nc); len(b) > 100 {
		t.Errorf("%q, %v", b, err)
	}
}

// Whoever does not come to the point is cut.
func TestSlowClients(t *testing.T) {
	const bound = 100 * time.Millisecond
	wait := make(chan bool)
	defer close(wait)
	s := serve(t, h2.Config{HeaderTimeout: bound, WriteTimeout: bound, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			<-wait
			return
		}
		for err := error(nil); err == nil; {
			_, err = w.Write(make([]byte, 100<<10))
		}
	})})
	t.Run("no preface", func(t *testing.T) {
		c := connect(t, s)
		c.wantCut()
	})
	t.Run("no SETTINGS", func(t *testing.T) {
		c := connect(t, s)
		io.WriteString(c.nc, http2.ClientPreface)
		c.wantCut()
	})
	t.Run("no end of header", func(t *testing.T) {
		c := dial(t, s)
		c.ok(c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.block(getFields...)}))
		c.wantCut()
	})
	t.Run("stream's window stays shut", func(t *testing.T) {
		c := dial(t, s)
		c.headers(1, true, ":method: GET", ":scheme: http", ":authority: a", ":path: /wait")
		c.get(3)
		c.wantReset(3, http2.ErrCodeCancel)
		c.ping()
	})
	t.Run("nothing is read", func(t *testing.T) {
		c := dial(t, s, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
		c.ok(c.fr.WriteWindowUpdate(0, 1<<30))
		c.get(1)
		for c.fr.WritePing(true, [8]byte{}) == nil {
			time.Sleep(time.Millisecond) // not to be a flood
		}
	})
}

// An idle connection costs little: what it has read with is given back.
func TestIdleMemory(t *testing.T) {
	if testing.Short() || racing {
		t.Skip("measures memory")
	}
	const conns = 300
	accepted, begin := make(chan bool, conns), make(chan bool)
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	s := serveOn(t, h2.Config{Handler: echo}, func(c net.Conn) (net.Conn, error) {
		accepted <- true
		<-begin
		return c, nil
	})
	clients := make([]*raw, conns)
	for i := range clients {
		clients[i] = connect(t, s)
		receive(t, accepted, "connection")
	}
	before := inUse()
	close(begin)
	for _, c := range clients {
		io.WriteString(c.nc, http2.ClientPreface)
		c.ok(c.fr.WriteSettings())
		c.post(1)
		c.ok(c.fr.WriteData(1, true, make([]byte, 10_000)))
		for {
			if f, ok := c.read().(*http2.DataFrame); ok && f.StreamEnded() {
				break
			}
		}
		c.ping()
	}
	per := (inUse() - before) / conns
	t.Logf("%d bytes a connection beyond one that is accepted and not served", per)
	if per > 12<<10 {
		t.Errorf("an idle connection holds %d bytes", per)
	}
}

func inUse() int64 {
	runtime.GC()
	runtime.GC() // empties the pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
