package h2_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/seguehq/segue/internal/proxy/h2"
)

func TestAnswers(t *testing.T) {
	big := strings.Repeat("0123456789", 30_000)
	for name, v := range map[string]struct {
		method, body, length string
		status               int
		answer               http.HandlerFunc
	}{
		"nothing":        {"GET", "", "0", 200, func(w http.ResponseWriter, r *http.Request) {}},
		"small":          {"GET", "hello", "5", 200, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }},
		"small, flushed": {"GET", "hello", "", 200, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello"); w.(http.Flusher).Flush() }},
		"big":            {"GET", big, "", 200, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, big) }},
		"big, in parts": {"GET", big, "", 200, func(w http.ResponseWriter, r *http.Request) {
			for s := big; s != ""; s = s[1000:] {
				io.WriteString(w, s[:1000])
			}
		}},
		"big, with length": {"GET", big, "300000", 201, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "300000")
			w.WriteHeader(201)
			io.WriteString(w, big)
		}},
		"HEAD": {"HEAD", "", "300000", 200, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "300000")
			n, err := io.WriteString(w, big)
			want(t, "written", fmt.Sprint(n, err), "300000 <nil>")
		}},
		"204": {"GET", "", "", 204, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(204)
			_, err := io.WriteString(w, big)
			want(t, "error", err, http.ErrBodyNotAllowed)
		}},
		"304": {"GET", "", "", 304, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(304) }},
		"too much": {"GET", "abc", "3", 200, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "3")
			io.WriteString(w, "abc")
			_, err := io.WriteString(w, "d")
			want(t, "error", err, http.ErrContentLength)
		}},
		"fields of HTTP/1.1": {"GET", "", "0", 200, func(w http.ResponseWriter, r *http.Request) {
			for _, k := range []string{"Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Proxy-Connection"} {
				w.Header().Set(k, "close")
			}
			w.Header()["Bad Name"] = []string{"x"}
			w.Header()["Bad-Value"] = []string{"x\ny"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, h2.Config{Handler: v.answer})
			req, _ := http.NewRequest(v.method, "http://"+s.addr, nil)
			res, err := client(t).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(res.Body)
			want(t, "status", res.StatusCode, v.status)
			want(t, "error", err, nil)
			want(t, "whole", string(b) == v.body, true)
			want(t, "length", res.Header.Get("Content-Length"), v.length)
			want(t, "date", res.Header.Get("Date") != "", true)
			want(t, "close", res.Close, false)
			for k := range res.Header {
				if k != "Date" && k != "Content-Length" {
					t.Errorf("field %s was passed on", k)
				}
			}
		})
	}
}

// Whatever ends an answer too early is seen by the client.
func TestBrokenAnswersAreReset(t *testing.T) {
	var log bytes.Buffer
	for name, v := range map[string]struct {
		answer http.HandlerFunc
		logged bool
	}{
		"too short": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "abc")
		}, false},
		"aborted": {func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, false},
		"panic": {func(w http.ResponseWriter, r *http.Request) { panic("oh") }, true},
		"write deadline": {func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
			_, err := w.Write(make([]byte, 1<<20))
			want(t, "error", err, os.ErrDeadlineExceeded)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			log.Reset()
			s := serve(t, h2.Config{Handler: v.answer, Log: slog.New(slog.NewTextHandler(&log, nil))})
			c := dial(t, s)
			c.get(1)
			c.wantReset(1, http2.ErrCodeInternal)
			c.ping()
			want(t, "logged", strings.Contains(log.String(), "panic"), v.logged)
		})
	}
}

func TestTrailers(t *testing.T) {
	s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Declared")
		io.WriteString(w, r.URL.Path)
		w.Header().Set("X-Declared", "1")
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	})})
	for _, path := range []string{"/", "/" + strings.Repeat("x", 5000)} {
		res, err := client(t).Get("http://" + s.addr + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		want(t, "body", string(b), path)
		want(t, "error", err, nil)
		want(t, "trailers", fmt.Sprint(res.Trailer), "map[Grpc-Status:[0] X-Declared:[1]]")
	}
}

func TestInterimAnswers(t *testing.T) {
	s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(103)
		w.WriteHeader(101)
		w.Header().Del("Link")
		w.WriteHeader(201)
		w.WriteHeader(500)
	})})
	var seen []string
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		seen = append(seen, fmt.Sprint(code, h["Link"], h["Date"]))
		return nil
	}}
	req, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", "http://"+s.addr, nil)
	res, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "interim", strings.Join(seen, ";"), "103 [</style.css>] []")
	want(t, "final", fmt.Sprint(res.StatusCode, res.Header["Link"]), "201 []")
}

// A header block larger than a frame goes in several.
func TestLargeAnswerHeader(t *testing.T) {
	s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := range 10 {
			w.Header().Set(fmt.Sprint("X-", i), strings.Repeat(string(rune('a'+i)), 9000))
		}
	})})
	for range 3 {
		res, err := client(t).Get("http://" + s.addr)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			want(t, "length", len(res.Header.Get(fmt.Sprint("X-", i))), 9000)
		}
	}
}

// Streams share what the connection can carry.
func TestTurns(t *testing.T) {
	big := make([]byte, 10<<20)
	s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(big) })})
	c := dial(t, s, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
	c.get(1)
	c.get(3)
	got := map[uint32]int{}
	for begun := 0; got[1]+got[3] < 65535 || begun < 2; {
		switch f := c.read().(type) {
		case *http2.MetaHeadersFrame:
			begun++
		case *http2.DataFrame:
			got[f.StreamID] += len(f.Data())
		}
	}
	c.ping() // both wait for the connection's window
	c.ok(c.fr.WriteWindowUpdate(0, 1<<20))
	clear(got)
	for got[1]+got[3] < 1<<20 {
		if f, ok := c.read().(*http2.DataFrame); ok {
			got[f.StreamID] += len(f.Data())
		}
	}
	if d := got[1] - got[3]; d < -64<<10 || d > 64<<10 {
		t.Errorf("one stream got %d bytes, the other %d", got[1], got[3])
	}
}

// Changes of SETTINGS_INITIAL_WINDOW_SIZE reach streams that are open, up and down.
func TestWindowOfOpenStreams(t *testing.T) {
	s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 10_000)) })})
	c := dial(t, s, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	c.get(1)
	c.status(1)
	total := 0
	for _, window := range []uint32{3, 1, 100, 20_000} {
		c.ok(c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}))
		for total < int(min(window, 10_000)) {
			total += len(until[*http2.DataFrame](c, 1).Data())
		}
		if total > int(max(window, 3)) {
			t.Errorf("%d bytes for a window of %d", total, window)
		}
	}
	want(t, "received", total, 10_000)
}

// The compression's table follows the client, and stays bounded whatever it says.
func TestTableSize(t *testing.T) {
	n := 0
	s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header().Set("X-A", strings.Repeat("x", 2000+n))
	})})
	for _, size := range []uint32{0, 100, 1 << 30} {
		c := dial(t, s, http2.Setting{ID: http2.SettingHeaderTableSize, Val: size})
		c.fr.ReadMetaHeaders.SetMaxDynamicTableSize(min(size, 4096))
		c.fr.ReadMetaHeaders.SetAllowedMaxDynamicTableSize(min(size, 4096))
		for id := uint32(1); id < 20; id += 2 {
			c.get(id)
			want(t, "status", c.status(id), "200")
		}
	}
}

// Many streams of many connections at once, bodies both ways, some cut off.
func TestManyAtOnce(t *testing.T) {
	for _, name := range []string{"cleartext", "TLS"} {
		t.Run(name, func(t *testing.T) {
			wrap, scheme := plain, "http://"
			if name == "TLS" {
				wrap, scheme = handshake(t), "https://"
			}
			s := serveOn(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })}, wrap)
			var answers atomic.Int32
			var wg sync.WaitGroup
			for range 4 {
				cl := client(t)
				tr := cl.Transport.(*http.Transport)
				tr.Protocols.SetHTTP2(true)
				tr.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
				for i := range 10 {
					wg.Go(func() {
						for j := range 10 {
							body := bytes.Repeat([]byte{byte(i), byte(j)}, i*j*1000)
							res, err := cl.Post(scheme+s.addr, "", bytes.NewReader(body))
							if err != nil {
								t.Error(err)
								return
							}
							if (i+j)%4 == 0 {
								res.Body.Close()
								continue
							}
							if got, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(got, body) {
								t.Errorf("%d bytes of %d: %v", len(got), len(body), err)
							}
							answers.Add(1)
						}
					})
				}
			}
			wg.Wait()
			if answers.Load() == 0 {
				t.Error("no answers")
			}
		})
	}
}

func TestWriterAfterReturn(t *testing.T) {
	kept := make(chan http.ResponseWriter, 1)
	s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { kept <- w })})
	c := dial(t, s)
	c.get(1)
	c.status(1)
	c.ping()
	w := <-kept
	// What the handler's goroutine did last, it did with the connection's lock.
	if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err != nil {
		t.Error(err)
	}
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("written after the handler has returned")
	}
	if err := http.NewResponseController(w).Flush(); err == nil || errors.Is(err, http.ErrNotSupported) {
		t.Error("flushed after the handler has returned:", err)
	}
}
