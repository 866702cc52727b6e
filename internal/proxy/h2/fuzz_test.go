package h2_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/seguehq/segue/internal/proxy/h2"
)

// Whatever a client sends, the server ends the connection in time, answers in
// frames that can be read, and lets nothing through to a handler that HTTP/1.1
// could not say.
func FuzzConn(f *testing.F) {
	var b bytes.Buffer
	fr := http2.NewFramer(&b, nil)
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, l := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}, {"cookie", "a=1"}} {
		enc.WriteField(hpack.HeaderField{Name: l[0], Value: l[1]})
	}
	fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes()[:3]})
	fr.WriteContinuation(1, true, block.Bytes()[3:])
	fr.WriteDataPadded(1, false, []byte("hello"), make([]byte, 3))
	f.Add(bytes.Clone(b.Bytes()))
	fr.WriteWindowUpdate(1, 100)
	fr.WriteSettings(http2.Setting{ID: 4, Val: 0})
	fr.WritePing(false, [8]byte{})
	fr.WritePriority(3, http2.PriorityParam{StreamDep: 1})
	fr.WriteRSTStream(1, 0)
	fr.WriteGoAway(0, 0, nil)
	f.Add(b.Bytes())
	var unsound atomic.Bool
	s := h2.New(h2.Config{MaxHeader: 1 << 10, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !sound(r) {
			unsound.Store(true)
		}
		io.Copy(w, r.Body)
	})})
	f.Fuzz(func(t *testing.T, sent []byte) {
		server, cl := net.Pipe()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.Serve(server)
		}()
		go func() {
			io.WriteString(cl, http2.ClientPreface)
			http2.NewFramer(cl, nil).WriteSettings()
			cl.Write(sent)
			http2.NewFramer(cl, nil).WriteRawFrame(0x42, 0, 0, make([]byte, 1<<15)) // too large: the end
		}()
		in := http2.NewFramer(io.Discard, cl)
		for {
			if _, err := in.ReadFrame(); err != nil {
				if err != io.EOF && err != io.ErrUnexpectedEOF && err != io.ErrClosedPipe {
					t.Error("frame of the server:", err)
				}
				break
			}
		}
		cl.Close()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Fatal("connection does not end")
		}
		if unsound.Load() {
			t.Error("an unsound request got through")
		}
	})
}

func sound(r *http.Request) bool {
	var b bytes.Buffer
	b.WriteString(r.Method + " " + r.RequestURI + " HTTP/1.1\r\nHost: " + r.Host + "\r\n")
	for k, values := range r.Header {
		for _, v := range values {
			b.WriteString(k + ": " + v + "\r\n")
		}
	}
	return bytes.Count(b.Bytes(), []byte("\n")) == bytes.Count(b.Bytes(), []byte("\r\n")) && bytes.IndexByte(b.Bytes(), 0) < 0
}
