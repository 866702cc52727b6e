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
				working(50*time.Millisecond, more)(w, n)
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

// unsent reports whether Go's client says that it would have sent a request again,
// on another connection, but for its body.
func unsent(err error) bool {
	return strings.Contains(err.Error(), "cannot rewind body") || strings.Contains(err.Error(), "cannot retry err [http2: Transport received Server's graceful shutdown GOAWAY]")
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
				if err != nil && !body.read.Load() && unsent(err) {
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
		w.Until("100 more are answered", func() bool { return done.Load() >= from+100 || t.Failed() })
	}
	return more, func() { close(stop); wg.Wait(); transport.CloseIdleConnections() }
}

// h2load are the options of nghttp2's client: in a soak it asks as fast as it is
// answered, which leaves nothing of the processors to others.
func h2load() []string {
	args := []string{"--clients=8", "--max-concurrent-streams=4", "--duration=5"}
	if !harness.Soak() {
		args = append(args, "--rps=50")
	}
	return args
}

// TestHTTP2Load has nghttp2's client keep its connections through deploys.
func TestHTTP2Load(t *testing.T) {
	for _, c := range []struct{ name, more, scheme string }{
		{"TLS", "tls: { cert: cert.pem, key: key.pem }", "https:"},
		{"cleartext", "", "http:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := harness.New(t)
			if c.scheme == "https:" {
				w.Certificate()
			}
			web(c.more)(w, 1)
			w.Agent()
			w.Must(0, "deploy")
			url := strings.Replace(w.URL(), "http:", c.scheme, 1) + "/"
			for release := 1; release < 3; { // a slow machine takes it more than once
				release = deployUnderH2load(t, w, c.more, url, release)
			}
		})
	}
}

// deployUnderH2load deploys releases, from the next one on, for as long as h2load
// runs, and returns the last one.
func deployUnderH2load(t *testing.T, w *harness.World, more, url string, release int) int {
	t.Helper()
	load := exec.CommandContext(t.Context(), "h2load", append(h2load(), url)...)
	var out strings.Builder
	load.Stdout, load.Stderr = &out, &out
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- load.Wait() }()
	for {
		release++
		web(more)(w, release)
		w.Must(0, "deploy")
		select {
		case err := <-over:
			t.Logf("up to release %d, under %s", release, regexp.MustCompile(`requests: .*`).FindString(out.String()))
			if err != nil || !regexp.MustCompile(`requests: \d+ total, .* 0 failed, 0 errored, 0 timeout`).MatchString(out.String()) {
				t.Errorf("h2load lost requests: %v\n%s", err, out.String())
			}
			return release
		default:
		}
	}
}
