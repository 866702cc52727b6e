package connections_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seguehq/segue/test/harness"
)

// lasting deploys a program of test/foreign: two instances that are drained for
// a moment only, so that exchanges are asked to end.
func lasting(program, more string) func(w *harness.World, n int) {
	return func(w *harness.World, n int) {
		if n == 1 {
			w.Copy(harness.Foreign(w.T, "./"+program), "bin/"+program)
		}
		w.Write("segue.yaml", fmt.Sprintf("service: web\nlisten: 127.0.0.1:%d\nrelease: { files: [bin], command: bin/%s }\nreplicas: 2\n"+
			"env: { N: %d }\nstrategy: { surge: 2 }\nprobes: { startup: { tcp: true, every: 50ms }, readiness: { tcp: true } }\n%s\n", w.Port, program, n, more))
	}
}

const soon = "drain: { timeout: 300ms, spread: 300ms }"

// A foreignClient is a client of test/foreign at work.
type foreignClient struct {
	w     *harness.World
	stdin io.Closer
	done  chan struct{}

	mu    sync.Mutex
	lines map[string]int
}

// startClient starts a client that prints a line for what it meets.
func startClient(w *harness.World, program string, args ...string) *foreignClient {
	w.T.Helper()
	cmd := exec.Command(harness.Foreign(w.T, "./"+program), args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		w.T.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		w.T.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		w.T.Fatal(err)
	}
	c := &foreignClient{w: w, stdin: stdin, done: make(chan struct{}), lines: map[string]int{}}
	go func() {
		defer close(c.done)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			c.mu.Lock()
			c.lines[s.Text()]++
			c.mu.Unlock()
		}
		_ = cmd.Wait() // what matters it has told
	}()
	w.T.Cleanup(c.stop)
	return c
}

func (c *foreignClient) stop() {
	c.stdin.Close()
	<-c.done
}

func (c *foreignClient) count(line string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lines[line]
}

// more waits until the client was served a while longer.
func (c *foreignClient) more() {
	c.w.T.Helper()
	from := c.count("ok")
	c.w.Until("the client is served", func() bool { return c.count("ok") >= from+10 })
}

// end ends the client, which must have met nothing but restarts, and so many at
// least.
func (c *foreignClient) end(restarts int) {
	c.w.T.Helper()
	c.stop()
	for line, n := range c.lines {
		if line != "ok" && line != "restart" {
			c.w.T.Errorf("%d times %s", n, line)
		}
	}
	if n := c.lines["restart"]; n < restarts {
		c.w.T.Errorf("%d were told of a restart, want %d", n, restarts)
	}
	c.w.T.Log(c.lines)
}

// TestWebSocket: clients by coder/websocket see 1012 and nothing else, and
// every message comes back.
func TestWebSocket(t *testing.T) {
	const clients = 20
	underReplacement(t, lasting("lasting", soon), func(t *testing.T, w *harness.World) (more, end func()) {
		c := startClient(w, "lasting", strings.Replace(w.URL(), "http", "ws", 1)+"/ws", fmt.Sprint(clients))
		return c.more, func() { c.end(clients * times / 2) } // the proxy that was replaced last may be waiting still
	})
}

// TestGRPC: clients by grpc-go lose no unary call, and see their streams end
// with UNAVAILABLE and nothing else.
func TestGRPC(t *testing.T) {
	underReplacement(t, lasting("grpc", "proxy: { protocol: h2c }\n"+soon), func(t *testing.T, w *harness.World) (more, end func()) {
		c := startClient(w, "grpc", strings.TrimPrefix(w.URL(), "http://"))
		return c.more, func() { c.end(8 * times / 2) }
	})
}

// TestEventSource: a browser's EventSource gets every event once and in order,
// by way of Last-Event-ID.
func TestEventSource(t *testing.T) {
	browser := harness.Chromium(t)
	underReplacement(t, lasting("lasting", soon), func(t *testing.T, w *harness.World) (more, end func()) {
		var mu sync.Mutex
		var told []string // as "how often it was opened" and "id"
		s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			told = append(told, strings.Fields(string(body))...)
		}))
		t.Cleanup(s.Close)
		stop := background(t, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
			"--user-data-dir="+t.TempDir(), "--no-first-run", w.URL()+"/page?"+s.URL)
		count := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(told) / 2
		}
		more = func() {
			from := count()
			w.Until("the browser gets events", func() bool { return count() >= from+20 })
		}
		return more, func() {
			stop()
			mu.Lock()
			defer mu.Unlock()
			for i := 0; i+1 < len(told); i += 2 {
				if want := fmt.Sprint(i/2 + 1); told[i+1] != want {
					t.Fatalf("event %s came in place of %s", told[i+1], want)
				}
			}
			t.Logf("%d events over %s connections", len(told)/2, told[len(told)-2])
			if told[len(told)-2] == "1" {
				t.Error("the browser was never asked to come again")
			}
		}
	})
}

// background runs a program until stop.
func background(t *testing.T, name string, args ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, name, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	t.Cleanup(stop)
	return stop
}

// curl runs curl and gives what it printed and its exit code.
func curl(t *testing.T, args ...string) (printed string, code int) {
	var out bytes.Buffer
	cmd := exec.Command("curl", append([]string{"-sS", "--max-time", "60"}, args...)...)
	cmd.Stdout = &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Error(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// repeated runs do in so many goroutines, again and again, from begin to end.
func repeated(w *harness.World, n int, do func()) (more, end func()) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	rounds := 0
	stop := make(chan struct{})
	for range n {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				do()
				mu.Lock()
				rounds++
				mu.Unlock()
			}
		})
	}
	end = sync.OnceFunc(func() { close(stop); wg.Wait() })
	w.T.Cleanup(end)
	more = func() {
		count := func() int { mu.Lock(); defer mu.Unlock(); return rounds }
		from := count()
		w.Until("more is done", func() bool { return count() >= from+n })
	}
	return more, end
}

// TestLongPoll: polls that outlast the drain are put to another instance; when
// the proxy is replaced, curl is told when to come again.
func TestLongPoll(t *testing.T) {
	underReplacement(t, lasting("lasting", soon), func(t *testing.T, w *harness.World) (more, end func()) {
		return repeated(w, 8, func() {
			if out, code := curl(t, "--fail", "--retry", "5", w.URL()+"/poll"); code != 0 || out != "news" {
				t.Errorf("exit %d, %q", code, out)
			}
		})
	})
}

// TestLongUpload: uploads that outlast the drain arrive whole at another
// instance. A proxy that is replaced lets them finish.
func TestLongUpload(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<20/16)
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	digest := fmt.Sprintf("%x", sha256.Sum256(body))
	for i, drain := range []string{soon, "drain: { timeout: 20s }"} {
		deploy := lasting("lasting", drain)
		r := replacements(deploy)[i]
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			w := harness.New(t)
			deploy(w, 1)
			w.Agent()
			w.Must(0, "deploy")
			more, end := repeated(w, 4, func() {
				out, code := curl(t, "--limit-rate", "700K", "--data-binary", "@"+file, "-H", "Expect:", w.URL()+"/sum")
				if code != 0 || out != digest {
					t.Errorf("exit %d, %q", code, out)
				}
			})
			for n := 1; n <= times; n++ {
				more()
				r.do(w, n)
			}
			text, err := w.Client().Metrics(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 && !strings.Contains(string(text), `segue_goodbyes_total{kind="replayed"}`) {
				t.Error("no upload was sent again")
			}
			end()
		})
	}
}

// TestLongDownload: downloads finish within the time of their route; those of
// another route are cut, and curl sees it.
func TestLongDownload(t *testing.T) {
	t.Parallel()
	deploy := lasting("lasting", "routes: [{ path: / }, { path: /film, drain: 20s }]\n"+soon)
	replaced(t, deploy, func(t *testing.T, w *harness.World) (more, end func()) {
		films, endFilms := repeated(w, 4, func() {
			if out, code := curl(t, "--fail", w.URL()+"/film"); code != 0 || len(out) != 40_000 {
				t.Errorf("exit %d after %d bytes", code, len(out))
			}
		})
		var mu sync.Mutex
		cut := 0
		clips, endClips := repeated(w, 4, func() {
			switch out, code := curl(t, "--fail", w.URL()+"/clip"); {
			case code == 18 && len(out) > 0:
				mu.Lock()
				cut++
				mu.Unlock()
			case code != 0 || len(out) != 40_000:
				t.Errorf("exit %d after %d bytes", code, len(out))
			}
		})
		return func() { films(); clips() }, func() {
			endFilms()
			endClips()
			if cut == 0 {
				t.Error("no clip was cut")
			}
		}
	}, slices.Repeat(replacements(deploy)[:2], 2))
}
