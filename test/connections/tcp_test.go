package connections_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/test/harness"
)

// tcp deploys the test service with a protocol of its own, in which an answer
// takes a while.
func tcp(more string) func(w *harness.World, n int) {
	return func(w *harness.World, n int) {
		w.Web(2, fmt.Sprintf("TCP: 1, WORK: 20ms, N: %d", n), "proxy: { protocol: tcp }\nprobes: { readiness: { tcp: true, every: 100ms } }\n"+more)
	}
}

// patient is a deadline that no session here outlasts, on a machine that stands still
// for seconds at times.
const patient = "drain: { timeout: 5m }\n"

// TestTCP: connections that end before the deadline end whole, whatever is
// replaced meanwhile: those that ask one thing and close their side, and those
// that go on for a while.
func TestTCP(t *testing.T) {
	underReplacement(t, tcp(patient), func(t *testing.T, w *harness.World) (more, end func()) {
		return sessions(t, w, func() (net.Conn, error) { return net.Dial("tcp", address(w)) })
	})
}

// TestTCPOverTLS: the same where the proxy does the TLS.
func TestTCPOverTLS(t *testing.T) {
	deploy := func(w *harness.World, n int) {
		if n == 1 {
			w.Certificate()
		}
		tcp(patient+"tls: { cert: cert.pem, key: key.pem }")(w, n)
	}
	underReplacement(t, deploy, func(t *testing.T, w *harness.World) (more, end func()) {
		config := w.TLS()
		return sessions(t, w, func() (net.Conn, error) { return tls.Dial("tcp", address(w), config) })
	})
}

func address(w *harness.World) string { return strings.TrimPrefix(w.URL(), "http://") }

// sessions keeps both kinds of connections going.
func sessions(t *testing.T, w *harness.World, dial func() (net.Conn, error)) (more, end func()) {
	stop := make(chan struct{})
	var done atomic.Int64
	var wg sync.WaitGroup
	for n := range 6 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				session := askOnce
				if n%2 == 0 {
					session = goOn
				}
				if err := within(dial, session); err != nil {
					t.Errorf("lost: %v", err)
					return
				}
				done.Add(1)
			}
		})
	}
	more = func() {
		from := done.Load()
		w.Until("20 more connections have ended", func() bool { return done.Load() >= from+20 || t.Failed() })
	}
	return more, func() { close(stop); wg.Wait(); t.Logf("%d connections", done.Load()) }
}

func within(dial func() (net.Conn, error), session func(net.Conn) error) error {
	c, err := dial()
	if err != nil {
		return err
	}
	defer c.Close()
	return session(c)
}

// askOnce sends something, ends its side, and then gets an answer to all of it.
func askOnce(c net.Conn) error {
	text := make([]byte, 300<<10)
	rand.Read(text) // never fails
	if _, err := io.Copy(c, io.MultiReader(strings.NewReader("sum\n"), bytes.NewReader(text))); err != nil {
		return err
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		return err
	}
	got, err := io.ReadAll(c)
	if want := fmt.Sprintf("%x", sha256.Sum256(text)); err != nil || string(got) != want {
		return fmt.Errorf("the sum is %q, want %q; %w", got, want, err)
	}
	return nil
}

// goOn talks with one instance for so many rounds.
func goOn(c net.Conn) error {
	if _, err := io.WriteString(c, "echo\n"); err != nil {
		return err
	}
	in := bufio.NewReader(c)
	var partner string
	for round := range 30 {
		if _, err := fmt.Fprintf(c, "round %d\n", round); err != nil {
			return err
		}
		line, err := in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		who, said, _ := strings.Cut(line, ": ")
		if said != fmt.Sprintf("round %d\n", round) || partner != "" && who != partner {
			return fmt.Errorf("round %d with %s was answered %q", round, partner, line)
		}
		partner = who
	}
	return nil
}

// TestRedis: a program by others, with clients by others that open a
// connection for each command.
func TestRedis(t *testing.T) {
	installed(t, "redis-server")
	bench := installed(t, "redis-benchmark")
	deploy := func(w *harness.World, n int) {
		w.Write("segue.yaml", fmt.Sprintf(`
service: cache
listen: 127.0.0.1:%d
release: { files: [bin], command: "redis-server --port $PORT --bind 127.0.0.1 --save ''" }
env: { N: "%d" }
proxy: { protocol: tcp }
`, w.Port, n))
	}
	underReplacement(t, deploy, func(t *testing.T, w *harness.World) (more, end func()) {
		stop := make(chan struct{})
		var runs atomic.Int64
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				cmd := exec.CommandContext(t.Context(), bench, "-p", fmt.Sprint(w.Port), "-t", "set,get", "-k", "0", "-c", "8", "-n", "100", "-q")
				if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "rror") {
					t.Errorf("lost: %v\n%s", err, out)
					return
				}
				runs.Add(1)
			}
		})
		more = func() {
			from := runs.Load()
			w.Until("two more rounds are over", func() bool { return runs.Load() >= from+2 || t.Failed() })
		}
		return more, func() { close(stop); wg.Wait(); t.Logf("%d times 200 commands", runs.Load()) }
	})
}

// TestTCPDeadline: a connection that outlasts its time is ended in order, not
// by a reset, and not sooner.
func TestTCPDeadline(t *testing.T) {
	const timeout = 1500 * time.Millisecond
	deploy := tcp(fmt.Sprintf("drain: { timeout: %s }", timeout))
	for _, r := range replacements(deploy)[:2] {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			w := harness.New(t)
			deploy(w, 1)
			w.Agent()
			w.Must(0, "deploy")
			c, err := net.Dial("tcp", address(w))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			in := bufio.NewReader(c)
			say := func(word string) error {
				if _, err := io.WriteString(c, word+"\n"); err != nil {
					return err
				}
				line, err := in.ReadString('\n')
				if err == nil && !strings.HasSuffix(line, ": "+word+"\n") {
					err = fmt.Errorf("%s was answered %q", word, line)
				}
				return err
			}
			if _, err := io.WriteString(c, "echo\n"); err != nil {
				t.Fatal(err)
			}
			if err := say("one"); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			replaced := make(chan struct{})
			go func() {
				defer close(replaced)
				r.do(w, 1)
			}()
			defer func() { <-replaced }()
			for time.Since(began) < timeout/2 {
				err := say("two")
				if took := time.Since(began); err != nil && took < timeout {
					t.Fatalf("after %s: %v", took, err)
				}
				if err != nil {
					return // its time was over while the machine stood still
				}
			}
			if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("want the connection's end, got %v", err)
			}
			if took := time.Since(began); took < timeout {
				t.Errorf("it ended after %s", took)
			}
		})
	}
}
