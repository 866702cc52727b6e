package drill

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// ledger is what a server saw: the ids of the requests it received.
type ledger struct {
	mu  sync.Mutex
	ids map[string]int
}

func (l *ledger) note(id string) (times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ids == nil {
		l.ids = map[string]int{}
	}
	l.ids[id]++
	return l.ids[id]
}

// agrees checks that the server received exactly sent different requests of
// the result's, each once.
func (l *ledger) agrees(t *testing.T, r *Result, sent int64) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if int64(len(l.ids)) != sent {
		t.Errorf("the server received %d requests, the drill counted %d", len(l.ids), sent)
	}
	for id, n := range l.ids {
		if n != 1 || !strings.HasPrefix(id, r.ID+"-") {
			t.Errorf("request %q was received %d times", id, n)
		}
	}
}

// rawServer calls handle for each connection, with its number from 1.
func rawServer(t *testing.T, handle func(c *net.TCPConn, n int)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				handle(c.(*net.TCPConn), n)
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return "http://" + l.Addr().String()
}

// reply answers one request on a connection; more tells whether to read on.
type reply func(c *net.TCPConn, req *http.Request, nth int) (more bool)

// scripted answers requests by f, and notes each in the ledger.
func scripted(t *testing.T, l *ledger, f reply) (url string) {
	return rawServer(t, func(c *net.TCPConn, _ int) {
		in := bufio.NewReader(c)
		for nth := 1; ; nth++ {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			l.note(req.Header.Get(HeaderDrillID))
			if !f(c, req, nth) {
				return
			}
		}
	})
}

func say(s string) reply {
	return func(c *net.TCPConn, _ *http.Request, _ int) bool {
		io.WriteString(c, s)
		return true
	}
}

// sayAndClose sends s and closes in order (FIN).
func sayAndClose(s string) reply {
	return func(c *net.TCPConn, _ *http.Request, _ int) bool {
		io.WriteString(c, s)
		return false
	}
}

// sayAndReset sends s and resets the connection (RST).
func sayAndReset(s string) reply {
	return func(c *net.TCPConn, _ *http.Request, _ int) bool {
		io.WriteString(c, s)
		c.SetLinger(0)
		return false
	}
}

const right = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSegue-Release: 7\r\n\r\nok"

// goServer is net/http with HTTP/1.1 and cleartext HTTP/2.
func goServer(t *testing.T, h http.Handler) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, Protocols: new(http.Protocols)}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	var done sync.WaitGroup
	done.Go(func() { s.Serve(l) })
	t.Cleanup(func() { s.Close(); done.Wait() })
	return "http://" + l.Addr().String()
}

// counting answers "ok" from release 7.
func counting(l *ledger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		l.note(r.Header.Get(HeaderDrillID))
		w.Header().Set("Segue-Release", "7")
		io.WriteString(w, "ok")
	})
}

// few is a plan of exactly 40 requests.
func few(url string, m Mix) Plan {
	return Plan{URL: url + "/path", Rate: 200, Duration: 200 * time.Millisecond, Mix: m, Timeout: 5 * time.Second}
}

const fewRequests = 40

// run holds the drill, and checks what must hold of every result.
func run(t *testing.T, p Plan, opts ...Option) *Result {
	t.Helper()
	r, err := Run(context.Background(), p, opts...)
	if err != nil {
		t.Fatal(err)
	}
	checkSums(t, r)
	return r
}

// oneByOne sends n requests of the plan, each after the one before has ended,
// and calls between before each but the first: for what depends on the order.
func oneByOne(t *testing.T, p Plan, n int64, between func()) *Result {
	t.Helper()
	d, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	d.start = time.Now()
	close(d.started)
	pick := d.chooser()
	for i := range n {
		if i > 0 && between != nil {
			between()
		}
		j := pick()
		j.n, j.due, j.phase = i+1, d.since(), -1
		d.requests.Add(1)
		d.inFlight.Add(1)
		d.do(j)
	}
	d.hangUp()
	r := d.result(d.since(), 0)
	checkSums(t, r)
	return r
}

// checkGoroutines looks for goroutines of ours. Not for parallel tests.
func checkGoroutines(t *testing.T) {
	t.Helper()
	buf := make([]byte, 1<<20)
	stacks := string(buf[:runtime.Stack(buf, true)])
	for g := range strings.SplitSeq(stacks, "\n\n") {
		ours := strings.Contains(g, "drill.(*Drill).") || strings.Contains(g, "drill.(*conn")
		if ours && !strings.Contains(g, "testing.tRunner") {
			t.Errorf("a goroutine is left:\n%s", g)
		}
	}
}

// checkSums: everything that is counted twice is counted alike.
func checkSums(t *testing.T, r *Result) {
	t.Helper()
	var byClass, byRelease int64
	for _, n := range r.ByClass {
		byClass += n
	}
	for _, n := range r.ByRelease {
		byRelease += n
	}
	var modes, line Count
	for _, m := range r.ByMode {
		modes = plus(modes, m.Count)
	}
	for _, m := range r.Timeline {
		line = plus(line, m.Count)
	}
	switch {
	case r.Sent != r.OK+r.Lost:
		t.Errorf("sent %d, but ok %d + lost %d", r.Sent, r.OK, r.Lost)
	case byClass != r.Lost+r.NotSent:
		t.Errorf("by class %v, but lost %d + not sent %d", r.ByClass, r.Lost, r.NotSent)
	case byRelease != r.OK:
		t.Errorf("by release %v, but ok %d", r.ByRelease, r.OK)
	case modes != r.Count || line != r.Count:
		t.Errorf("all %+v, by mode %+v, on the timeline %+v", r.Count, modes, line)
	case int64(len(r.Failures))+r.FailuresCut != r.Lost+r.NotSent:
		t.Errorf("%d failures and %d cut, but lost %d + not sent %d", len(r.Failures), r.FailuresCut, r.Lost, r.NotSent)
	}
}

func plus(a, b Count) Count {
	return Count{a.Sent + b.Sent, a.OK + b.OK, a.Lost + b.Lost, a.NotSent + b.NotSent}
}

// want checks the counts exactly: lost in one class (or none), the rest OK.
func want(t *testing.T, r *Result, class Class, lost, ok int64) {
	t.Helper()
	if r.OK != ok || r.Lost != lost || r.NotSent != 0 || r.ByClass[class] != lost {
		t.Errorf("got %+v %v, want %d OK and %d lost as %s", r.Count, r.ByClass, ok, lost, class)
		for _, f := range r.Failures[:min(3, len(r.Failures))] {
			t.Logf("%+v", f)
		}
	}
	for _, f := range r.Failures {
		if f.Explain == "" || f.Err == "" || f.Class == "" {
			t.Errorf("a failure is not explained: %+v", f)
			return
		}
	}
}
