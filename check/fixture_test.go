package check

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The test binary is the server too: started with this variable it is one that
// stops rightly but for the faults that the variable lists.
const fixtureVariable = "SEGUE_CHECK_FIXTURE"

func TestMain(m *testing.M) {
	if faults, ok := os.LookupEnv(fixtureVariable); ok {
		os.Exit(serveFixture(strings.FieldsFunc(faults, func(r rune) bool { return r == ',' })))
	}
	if os.Getenv(idleVariable) != "" {
		fmt.Println()
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	if file := os.Getenv(checkerVariable); file != "" {
		os.Exit(serveChecker(file))
	}
	flag.Parse()
	_ = flag.Set("test.parallel", "5") // servers that stop spend their time waiting, whatever the cores
	os.Exit(m.Run())
}

// fixtureTarget is the fixture with these faults, and all of its paths.
func fixtureTarget(faults ...string) Target {
	return Target{
		Command: []string{os.Args[0]},
		Env:     []string{fixtureVariable + "=" + strings.Join(faults, ","), "GORACE=atexit_sleep_ms=0"},
		Grace:   4 * time.Second,
		Paths:   Paths{Slow: "/slow", Stream: "/stream", Upload: "/upload", Ready: "/ready", Events: "/events", WebSocket: "/ws"},
	}
}

// Times of the fixture. It lingers longer than any client of the suite tries to
// open connections, or is silent between two requests.
const (
	fixtureLingers = 1600 * time.Millisecond
	fixtureSlow    = 900 * time.Millisecond
)

// A fixture is a small HTTP/1.1 server that stops as it should: from the signal
// on its answers say that they are the last, it goes on accepting for a while,
// closes what is idle after that, and exits when the last request is answered.
// What it does wrong stands in fixture_faults_test.go.
type fixture struct {
	faults   map[string]bool
	listener net.Listener
	stopping chan struct{} // closed by the signal; then stopped is set
	late     func()        // called with each request
	stopped  time.Time

	mu       sync.Mutex
	conns    map[*fixtureConn]bool
	accepted int
	done     sync.WaitGroup
	alone    sync.Mutex // held by the request that is worked on, of a fixture that is narrow
}

type fixtureConn struct {
	net.Conn
	r      *bufio.Reader
	number int  // of the connection
	early  bool // opened before the signal

	mu      sync.Mutex
	kept    bool // goes on for as long as its client asks
	busy    bool // some of a request has come and its answer is not sent
	inHead  bool // and its header is not whole
	inBody  bool // its header is, and its body is not
	answers int
}

func serveFixture(faults []string) int {
	if i := slices.Index(faults, "supervised"); i >= 0 {
		return supervise(slices.Delete(faults, i, i+1))
	}
	f := &fixture{faults: map[string]bool{}, stopping: make(chan struct{}), conns: map[*fixtureConn]bool{}}
	for _, name := range faults {
		f.faults[name] = true
	}
	if err := f.begin(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if f.faults["tls"] {
		f.listener = tls.NewListener(f.listener, &tls.Config{Certificates: []tls.Certificate{selfSigned()}})
	}
	signals := make(chan os.Signal, 2)
	f.handleSignals(signals)
	go f.accept()
	<-signals
	f.stopped = time.Now()
	f.spoilAtSignal()
	close(f.stopping)
	go f.secondSignal(signals)
	return f.exitCode(f.stop())
}

// stop is the only order that loses nothing.
func (f *fixture) stop() int {
	time.Sleep(f.lingers()) // this is a server's time, not a test's
	f.listener.Close()
	if !f.faults["class-never-ends"] {
		f.closeIdle()
	}
	f.done.Wait()
	f.spoilExit()
	return 0
}

func (f *fixture) isStopping() bool {
	select {
	case <-f.stopping:
		return true
	default:
		return false
	}
}

func (f *fixture) accept() {
	for {
		raw, err := f.listener.Accept()
		if err != nil {
			return
		}
		c := &fixtureConn{Conn: raw, r: bufio.NewReader(raw), early: !f.isStopping()}
		f.mu.Lock()
		f.accepted++
		c.number = f.accepted
		f.conns[c] = true
		f.done.Add(1)
		f.mu.Unlock()
		if f.faults["one-connection"] {
			f.serve(c)
		} else {
			go f.serve(c)
		}
	}
}

// closeIdle ends the wait for the next request on each connection.
func (f *fixture) closeIdle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		c.mu.Lock()
		if !c.busy && !c.kept {
			f.spoilIdle(c)
			_ = c.SetReadDeadline(time.Unix(1, 0))
		}
		c.mu.Unlock()
	}
}

func (f *fixture) serve(c *fixtureConn) {
	defer f.done.Done()
	defer func() {
		c.Close()
		f.mu.Lock()
		delete(f.conns, c)
		f.mu.Unlock()
	}()
	if f.spoilAccepted(c) {
		return
	}
	for c.await() {
		if f.spoilAwaited(c) {
			return
		}
		req, err := http.ReadRequest(c.r)
		if err != nil {
			return
		}
		if req.Method == "PRI" { // RFC 9113 §3.4
			f.serve2(c)
			return
		}
		c.is(false, true)
		if f.faults["http2-alone"] || !f.answer(c, req) {
			return
		}
		c.mu.Lock()
		c.inBody, c.busy = false, c.r.Buffered() > 0
		c.answers++
		c.mu.Unlock()
	}
}

// await returns true once some of a request has come. One that came at the same
// moment as the end of the wait is not lost.
func (c *fixtureConn) await() bool {
	_, err := c.r.Peek(1)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		_, err = c.r.Peek(1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy, c.inHead = err == nil, err == nil
	_ = c.SetReadDeadline(time.Time{})
	return c.busy
}

func (c *fixtureConn) is(inHead, inBody bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inHead, c.inBody = inHead, inBody
}

// answer reports whether the connection goes on.
func (f *fixture) answer(c *fixtureConn, req *http.Request) bool {
	if goesOn, spoilt := f.spoilAnswer(c, req); spoilt {
		return goesOn
	}
	if f.faults["one-request"] {
		f.alone.Lock()
		defer f.alone.Unlock()
	}
	before := !f.isStopping()
	status, body := f.handle(c, req)
	kept := f.spoilBusy(c, before)
	switch {
	case status == statusCut:
		return false
	case status == 0:
		return !f.isStopping() // the handler has written by itself
	}
	goesOn := !req.Close && (!f.isStopping() || f.faults["class-never-ends"] || kept || c.r.Buffered() > 0)
	if f.faults["disowns"] && f.isStopping() {
		goesOn = false
	}
	closing := ""
	if !goesOn {
		closing = "Connection: close\r\n"
	}
	fmt.Fprintf(c, "HTTP/1.1 %d %s\r\n%sContent-Length: %d\r\n\r\n%s", status, http.StatusText(status), closing, len(body), body)
	return goesOn && !f.spoilKept(c)
}

// statusCut is of a request that gets no answer.
const statusCut = -1

func (f *fixture) handle(c *fixtureConn, req *http.Request) (status int, body string) {
	f.late()
	switch req.URL.Path {
	case "/slow":
		if f.spoilSlow(fixtureSlow) {
			return statusCut, ""
		}
	case "/slower":
		time.Sleep(2 * fixtureSlow)
	case "/stream":
		return f.stream(c), ""
	case "/events":
		f.serveEvents(c)
		return 0, ""
	case "/ws":
		f.serveWebSocket(c, req)
		return 0, ""
	case "/ready":
		if f.isStopping() && !f.faults["ready-to-the-end"] {
			return 503, "stopping"
		}
	}
	return f.read(c, req)
}

// read takes the body, and says so if it was asked to.
func (f *fixture) read(c *fixtureConn, req *http.Request) (status int, body string) {
	if req.Header.Get("Expect") != "" {
		if f.spoilExpectation() {
			return 503, ""
		}
		fmt.Fprint(c, "HTTP/1.1 100 Continue\r\n\r\n")
	}
	n, err := io.Copy(io.Discard, f.spoilBody(c, req.Body))
	c.is(false, false)
	if err != nil {
		return statusCut, ""
	}
	return 200, fmt.Sprint(n)
}

// stream says before the end whether the connection goes on, as a stream must.
func (f *fixture) stream(c *fixtureConn) (status int) {
	closing := ""
	if f.isStopping() {
		closing = "Connection: close\r\n"
	}
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%sTransfer-Encoding: chunked\r\n\r\n", closing)
	for range 18 {
		fmt.Fprint(c, "5\r\nline\n\r\n")
		if f.faults["cuts-streams"] && f.isStopping() {
			return statusCut
		}
		if f.faults["truncates-streams"] && f.isStopping() {
			break
		}
		time.Sleep(fixtureSlow / 18)
	}
	fmt.Fprint(c, "0\r\n\r\n")
	return 0
}

// verdicts runs the cases on the fixture with these faults.
func verdicts(t *testing.T, target Target, names ...string) *Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := Run(ctx, target, Only(names...))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Results {
		t.Logf("%-20s %s (%s): %s", c.Case, c.Verdict, c.Outcome, c.Observed)
	}
	return r
}
