package connections_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/test/harness"
)

// TestHTTP2 has Go's client, over TLS and in cleartext, make POSTs that nobody
// may repeat: streams finish, and new ones go elsewhere.
func TestHTTP2(t *testing.T) {
	for _, secure := range []bool{true, false} {
		name, more := "cleartext", ""
		if secure {
			name, more = "TLS", "tls: { cert: cert.pem, key: key.pem }"
		}
		t.Run(name, func(t *testing.T) {
			deploy := func(w *harness.World, n int) {
				if n == 1 && secure {
					w.Certificate()
				}
				web(more)(w, n)
			}
			underReplacement(t, deploy, func(t *testing.T, w *harness.World) (func(), func()) {
				if secure {
					return posts(t, w, w.TLS(), 12)
				}
				return posts(t, w, nil, 12)
			})
		})
	}
}

// once is a body that cannot be read again; it tells whether it was read.
type once struct {
	from io.Reader
	read atomic.Bool
}

func (o *once) Read(p []byte) (int, error) {
	o.read.Store(true)
	return o.from.Read(p)
}

// posts keeps so many POSTs under way on Go's HTTP/2 client, which puts them
// all on one connection.
func posts(t *testing.T, w *harness.World, config *tls.Config, width int) (more, end func()) {
	protocols := new(http.Protocols)
	url := w.URL()
	if config != nil {
		protocols.SetHTTP2(true)
		url = strings.Replace(url, "http:", "https:", 1)
	} else {
		protocols.SetUnencryptedHTTP2(true)
	}
	transport := &http.Transport{Protocols: protocols, TLSClientConfig: config, ForceAttemptHTTP2: config != nil}
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	stop := make(chan struct{})
	var done atomic.Int64
	var wg sync.WaitGroup
	for range width {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				// A body that cannot be read again cannot be sent again: a POST
				// that is lost is seen to be lost.
				body := &once{from: strings.NewReader(strings.Repeat("y", 900))}
				res, err := client.Post(url+"/echo", "text/plain", body)
				if err != nil && !body.read.Load() && strings.Contains(err.Error(), "cannot rewind body") {
					continue // the GOAWAY came before Go's client had opened the stream, and it cannot undo that
				}
				if err != nil {
					t.Errorf("lost: %v", err)
					return
				}
				text, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || len(text) != 900 || res.StatusCode != http.StatusOK || res.ProtoMajor != 2 {
					t.Errorf("%s over %s, %d bytes, %v", res.Status, res.Proto, len(text), err)
					return
				}
				done.Add(1)
			}
		})
	}
	more = func() {
		from := done.Load()
		w.Until("200 more are answered", func() bool { return done.Load() >= from+200 || t.Failed() })
	}
	return more, func() { close(stop); wg.Wait(); transport.CloseIdleConnections() }
}

// TestHTTP2Load has nghttp2's client keep its connections through deploys.
func TestHTTP2Load(t *testing.T) {
	for _, c := range []struct{ name, more, scheme string }{
		{"TLS", "tls: { cert: cert.pem, key: key.pem }", "https:"},
		{"cleartext", "", "http:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := harness.New(t)
			if c.scheme == "https:" {
				w.Certificate()
			}
			web(c.more)(w, 1)
			w.Agent()
			w.Must(0, "deploy")
			url := strings.Replace(w.URL(), "http:", c.scheme, 1) + "/"
			load := exec.CommandContext(t.Context(), "h2load", "--clients=8", "--max-concurrent-streams=4", "--duration=10", url)
			var out strings.Builder
			load.Stdout, load.Stderr = &out, &out
			if err := load.Start(); err != nil {
				t.Fatal(err)
			}
			over := make(chan error, 1)
			go func() { over <- load.Wait() }()
			deploys := 1
			for going := true; going; {
				select {
				case err := <-over:
					if err != nil {
						t.Errorf("h2load: %v", err)
					}
					going = false
				default:
					deploys++
					web(c.more)(w, deploys)
					w.Must(0, "deploy")
				}
			}
			t.Logf("%d deploys under %s", deploys-1, regexp.MustCompile(`requests: .*`).FindString(out.String()))
			if !regexp.MustCompile(`requests: \d+ total, .* 0 failed, 0 errored, 0 timeout`).MatchString(out.String()) {
				t.Errorf("h2load lost requests:\n%s", out.String())
			}
			if deploys < 3 {
				t.Errorf("only %d deploys while h2load ran", deploys-1)
			}
		})
	}
}
