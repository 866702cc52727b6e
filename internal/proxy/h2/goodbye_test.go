package h2_test

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/seguehq/segue/internal/proxy/h2"
)

const allStreams = 1<<31 - 1

// Step one leaves every stream id valid, step two names the last one taken;
// what was sent in between is answered, and the end is a clean one.
func TestGoodbyeInTwoSteps(t *testing.T) {
	for _, name := range []string{"cleartext", "TLS"} {
		t.Run(name, func(t *testing.T) {
			wrap, overTLS := plain, name == "TLS"
			if overTLS {
				wrap = handshake(t)
			}
			release := make(chan bool)
			s := serveOn(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				<-release
				io.WriteString(w, "whole")
			})}, wrap)
			s.tls = overTLS
			c := dial(t, s)
			c.get(1)
			c.ping()
			s.Goodbye(300 * time.Millisecond)
			want(t, "first last stream", until[*http2.GoAwayFrame](c, 0).LastStreamID, uint32(allStreams))
			ping := until[*http2.PingFrame](c, 0)
			c.ok(c.fr.WritePing(true, ping.Data))
			c.get(3) // begun before the client heard of it, and sent after it has said so
			second := until[*http2.GoAwayFrame](c, 0)
			want(t, "second last stream", second.LastStreamID, uint32(3))
			want(t, "code", second.ErrCode, http2.ErrCodeNo)
			c.get(5)
			c.wantReset(5, http2.ErrCodeRefusedStream)
			close(release)
			whole := 0
			for whole < 2 {
				if f, ok := c.read().(*http2.DataFrame); ok && f.StreamEnded() {
					want(t, "body", string(f.Data()), "whole")
					whole++
				}
			}
			c.wantEnd()
		})
	}
}

// A client that does not answer the PING is told after the grace.
func TestGoodbyeWithoutAnswer(t *testing.T) {
	s := serve(t, h2.Config{Handler: http.NotFoundHandler()})
	c := dial(t, s)
	s.Goodbye(20 * time.Millisecond)
	want(t, "first", until[*http2.GoAwayFrame](c, 0).LastStreamID, uint32(allStreams))
	want(t, "second", until[*http2.GoAwayFrame](c, 0).LastStreamID, uint32(0))
	c.wantEnd()

	late := dial(t, s) // connected before it could know
	late.get(1)
	want(t, "status", late.status(1), "404")
	late.wantEnd()
}

// A client may still be sending when it has got everything: its answer must
// not be lost to a reset of the connection.
func TestGoodbyeLingers(t *testing.T) {
	answered := make(chan bool)
	s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-answered
		io.WriteString(w, "whole")
	})})
	c := dial(t, s)
	c.post(1)
	s.Goodbye(time.Millisecond)
	until[*http2.GoAwayFrame](c, 0)
	until[*http2.GoAwayFrame](c, 0)
	for range 20 {
		c.ok(c.fr.WriteData(1, false, make([]byte, 1000)))
	}
	close(answered)
	c.wantReset(1, http2.ErrCodeNo) // the answer is out, the connection half closed
	for range 20 {
		c.ok(c.fr.WriteData(1, false, make([]byte, 1000)))
	}
	c.wantEnd()
}

// A real client under load loses nothing while servers say goodbye.
func TestGoodbyeLosesNothing(t *testing.T) {
	var current atomic.Pointer[served]
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	first := serve(t, h2.Config{Handler: h})
	current.Store(&first)
	cl := client(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				// Without a body: Go's client closes one that it has not sent when
				// a GOAWAY meets it at the wrong moment, and can then not send it
				// elsewhere, whatever the server does.
				res, err := cl.Post("http://"+current.Load().addr, "", nil)
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		})
	}
	for range 30 {
		next := serve(t, h2.Config{Handler: h})
		old := current.Swap(&next)
		old.Goodbye(time.Second)
	}
	close(stop)
	wg.Wait()
}

func TestIdleConnectionsLeave(t *testing.T) {
	s := serve(t, h2.Config{Handler: http.NotFoundHandler(), IdleTimeout: 50 * time.Millisecond})
	c := dial(t, s)
	want(t, "first", until[*http2.GoAwayFrame](c, 0).LastStreamID, uint32(allStreams))
	c.ok(c.fr.WritePing(true, until[*http2.PingFrame](c, 0).Data))
	c.wantGoAway(http2.ErrCodeNo)
}
