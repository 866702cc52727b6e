package drill

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/net/http2"
)

// canned is a connection from which a server's bytes are read, and then its end.
type canned struct {
	net.Conn
	in  io.Reader
	end error
}

func (c *canned) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	if err == io.EOF {
		err = c.end
	}
	return n, err
}

func (c *canned) Write(p []byte) (int, error)      { return len(p), nil }
func (c *canned) Close() error                     { return nil }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }
func (c *canned) LocalAddr() net.Addr              { return &net.TCPAddr{} }

func fuzzDrill(t *testing.T) (*Drill, job) {
	d, err := New(Plan{URL: "http://127.0.0.1/"})
	if err != nil {
		t.Fatal(err)
	}
	d.start = time.Now()
	close(d.started)
	return d, job{n: 1, id: "x-1", phase: -1, target: d.targets[0]}
}

// FuzzHTTP1: whatever a server sends, the exchange ends, in one class, and a
// connection is kept only after a whole answer with nothing behind it.
func FuzzHTTP1(f *testing.F) {
	for _, s := range []string{
		right, "", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "HTTP/1.1 100 Continue\r\n\r\n" + right,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nok",
		right + right, "HTTP/1.1 503 x\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 101 x\r\n\r\n", "SSH-2.0\r\n",
	} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, sent []byte, eof bool) {
		d, j := fuzzDrill(t)
		end := error(&net.OpError{Op: "read", Err: errors.New("reset")})
		if eof {
			end = io.EOF
		}
		c := newConn1(&canned{in: bytes.NewReader(sent), end: end}, 1)
		var o outcome
		keep := d.exchange(c, j, j.target.kept, &o)
		if keep && (o.class != "" && o.status == 0 || c.in.Buffered() > 0) {
			t.Errorf("kept after %q: %+v", sent, o)
		}
		if o.class != "" && o.why == nil || o.class == Timeout || o.class == "" && o.status == 0 {
			t.Errorf("after %q: %+v", sent, o)
		}
		c.close()
	})
}

// FuzzHTTP2: whatever frames come, all streams end, and nothing is left running.
func FuzzHTTP2(f *testing.F) {
	frames := func(write func(p *peer2)) []byte {
		var b bytes.Buffer
		p := newPeer2(nil, 1)
		p.Framer = http2.NewFramer(&b, nil)
		write(p)
		return b.Bytes()
	}
	f.Add(frames(func(p *peer2) { p.WriteSettings(); p.answer(1); p.answer(3) }))
	f.Add(frames(func(p *peer2) { p.WriteGoAway(1, 0, nil); p.answer(1) }))
	f.Add(frames(func(p *peer2) { p.WriteRSTStream(1, http2.ErrCodeRefusedStream); p.WritePing(false, [8]byte{}) }))
	f.Add(frames(func(p *peer2) { p.WriteWindowUpdate(0, 1<<31-1); p.WriteWindowUpdate(1, 9) }))
	f.Add(frames(func(p *peer2) {
		p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1}, http2.Setting{ID: http2.SettingMaxConcurrentStreams})
	}))
	f.Add([]byte(right))
	f.Fuzz(func(t *testing.T, sent []byte) {
		d, j := fuzzDrill(t)
		c, err := newConn2(&canned{in: bytes.NewReader(sent), end: io.EOF}, 1, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		var streams []*stream2
		for range 3 {
			s, err := c.open(j, newSink(j.target.expect, true))
			if err != nil {
				t.Fatal(err)
			}
			streams = append(streams, s)
		}
		c.readLoop()
		for _, s := range streams {
			<-s.done
			var o outcome
			d.conclude(c, s, j, &o)
			if o.class != "" && o.why == nil || o.class == "" && o.status == 0 {
				t.Errorf("after %q: %+v", sent, o)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"fresh=0.3,kept_alive=0.5,http2=0.2", "h2", "=", "fresh=NaN", "200-299,404", "1-", "fresh=1e308,http2=1e308"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if m, err := ParseMix(s); err == nil {
			shares := m.shares()
			newRotor(shares[:]).next()
		}
		if set, err := ParseStatus(s); err == nil {
			again, err := ParseStatus(set.String())
			if err != nil || again.String() != set.String() {
				t.Errorf("%q became %q", s, set)
			}
		}
	})
}

func FuzzRedact(f *testing.F) {
	f.Add("http://ann:hunter2@h/p?password=hunter2&x=1#hunter2")
	f.Add("http://h/?%70assword=hunter2;token=hunter2")
	f.Add("mailto:hunter2")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := parseURL(s)
		if err != nil {
			return
		}
		out := redactURL(s)
		if pass, has := u.User.Password(); has && len(pass) > 6 && strings.Contains(out, pass) && strings.Count(s, pass) == 1 {
			t.Errorf("%q shows %q", out, pass)
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b[31m\u202eb\xff", 5)
	f.Fuzz(func(t *testing.T, s string, n int) {
		n = max(0, min(n, 100))
		out := clean(s, n)
		if len(out) > 3*n+3 {
			t.Errorf("%d bytes of at most %d", len(out), n)
		}
		for _, r := range out {
			if unicode.IsControl(r) {
				t.Errorf("%q is not clean", out)
			}
		}
	})
}

// FuzzReadJSON: a result from outside can be shown, whatever it says.
func FuzzReadJSON(f *testing.F) {
	var b bytes.Buffer
	sample(3).WriteJSON(&b)
	f.Add(`{"sent":1,"timeline_width_ns":100,"timeline":[{"at_ns":1}],"releases":["x"],"marks":[{"at_ns":-5,"label":"\u0000"}]}`)
	f.Add(`{"phases":[{"start_ns":9,"end_ns":1}],"failures":[{"class":"<b>"}],"sending_ns":-1}`)
	f.Add(`{"plan":{"rate":1e-300},"timeline_width_ns":1,"timeline":[{},{}]}`)
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ReadJSON(strings.NewReader(s))
		if err != nil {
			return
		}
		if err := errors.Join(r.WriteText(io.Discard), r.WriteHTML(io.Discard)); err != nil {
			t.Error(err)
		}
	})
}
