package lifecycle

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// record is a connection that keeps what is written.
type record struct {
	net.Conn
	bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) { return r.Buffer.Write(p) }
func (r *record) Read(p []byte) (int, error)  { return r.Buffer.Read(p) }

func frame(kind byte, payload int) []byte {
	f := []byte{byte(payload >> 16), byte(payload >> 8), byte(payload), kind, 0, 0, 0, 0, 1}
	return append(f, make([]byte, payload)...)
}

// TestGoodbyeStandsBetweenFrames says goodbye at every byte of what is written,
// in pieces of every size.
func TestGoodbyeStandsBetweenFrames(t *testing.T) {
	stream := bytes.Join([][]byte{frame(4, 18), frame(1, 0), frame(0, 300), frame(0, 1)}, nil)
	for size := 1; size <= 40; size++ {
		for at := 0; at <= len(stream); at += size {
			r := &record{}
			c := &goodbyeConn{Conn: r}
			for i := 0; i < len(stream); i += size {
				if i == at {
					c.goodbye()
				}
				if _, err := c.Write(stream[i:min(i+size, len(stream))]); err != nil {
					t.Fatal(err)
				}
			}
			if at >= len(stream) {
				c.goodbye()
			}
			kinds := kindsOf(t, r.Bytes())
			if n := bytes.Count(kinds, []byte{7}); n != 1 && at+size <= len(stream) || kinds[0] != 4 || len(kinds) > 5 {
				t.Fatalf("pieces of %d, goodbye at %d: frames %v", size, at, kinds)
			}
		}
	}
}

// kindsOf are the types of the frames; what is not made of frames fails.
func kindsOf(t *testing.T, p []byte) (kinds []byte) {
	t.Helper()
	for len(p) > 0 {
		if len(p) < frameHeader {
			t.Fatalf("%d bytes are left over", len(p))
		}
		n := int(p[0])<<16 | int(p[1])<<8 | int(p[2])
		kinds = append(kinds, p[3])
		if p[3] == 7 {
			if last := binary.BigEndian.Uint32(p[frameHeader:]); n != 8 || last != 1<<31-1 {
				t.Fatalf("a GOAWAY of %d bytes with last stream %d", n, last)
			}
		}
		if len(p) < frameHeader+n {
			t.Fatalf("a frame of %d bytes has %d", n, len(p)-frameHeader)
		}
		p = p[frameHeader+n:]
	}
	return kinds
}

// TestHTTP2WithTLS is a server as most have it, and one whose HTTP/2 its user has
// configured: we say goodbye on the one, net/http on the other.
func TestHTTP2WithTLS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		configure func(*http.Server) error
	}{
		{"net/http's", func(*http.Server) error { return nil }},
		//lint:ignore SA1019 it is what users have in their programs
		{"the user's", func(hs *http.Server) error { return http2.ConfigureServer(hs, nil) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			certified := httptest.NewTLSServer(nil) // for its certificate, and a client that trusts it
			defer certified.Close()
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, r.Proto, " ", r.TLS != nil && r.TLS.HandshakeComplete)
			})
			hs := &http.Server{Handler: handler, TLSConfig: &tls.Config{Certificates: certified.TLS.Certificates}}
			if err := c.configure(hs); err != nil {
				t.Fatal(err)
			}
			addr, stop := serveFor(t, App{}, hs, WithDelay(0), WithIdleGap(100*time.Millisecond))
			client := certified.Client()
			client.Transport.(*http.Transport).ForceAttemptHTTP2 = true
			resp, err := client.Get("https://" + addr)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if resp.Body.Close(); err != nil || string(body) != "HTTP/2.0 true" {
				t.Errorf("%q, %v", body, err)
			}
			began := time.Now()
			if err := stop(); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("an idle client held up the stop for %v", took)
			}
		})
	}
}
