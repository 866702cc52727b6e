package check

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// The faults of the fixture in HTTP/1.1, each the only thing that it does wrong.
// Those named class-… make the classes.

// spoilAtSignal is what goes wrong in the moment of the signal.
func (f *fixture) spoilAtSignal() {
	if f.faults["refuses-new"] {
		f.listener.Close()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		c.mu.Lock()
		cut := f.faults["cuts-half-headers-fresh"] && c.inHead && c.answers == 0 ||
			f.faults["cuts-half-headers-used"] && c.inHead && c.answers > 0 ||
			f.faults["cuts-bodies"] && c.inBody
		c.mu.Unlock()
		if cut {
			c.Close()
		}
	}
}

func (f *fixture) lingers() time.Duration {
	switch {
	case f.faults["class-immediate"]:
		return 0
	case f.faults["lingers-briefly"]:
		return 400 * time.Millisecond
	default:
		return fixtureLingers
	}
}

func (f *fixture) spoilExit() {
	if f.faults["lingers-after"] {
		time.Sleep(soon + 500*time.Millisecond)
	}
}

func (f *fixture) spoilIdle(c *fixtureConn) {
	if f.faults["resets-idle"] {
		abort(c)
	}
}

// spoilAccepted drops a connection before anything is read.
func (f *fixture) spoilAccepted(c *fixtureConn) bool {
	if f.faults["drops-queue"] {
		time.Sleep(20 * time.Millisecond) // the signal may not be known yet
		if f.isStopping() && time.Since(f.stopped) < 100*time.Millisecond {
			abort(c)
			return true
		}
	}
	if f.faults["resets-new"] && f.isStopping() && time.Since(f.stopped) > 500*time.Millisecond {
		abort(c)
		return true
	}
	return false
}

// spoilAwaited drops a connection on which some of a request has come.
func (f *fixture) spoilAwaited(c *fixtureConn) bool {
	if f.faults["cuts-crossing"] && c.answers > 0 {
		time.Sleep(50 * time.Millisecond) // the signal may not be known yet
		if f.isStopping() && time.Since(f.stopped) < 500*time.Millisecond {
			return true
		}
	}
	return f.isStopping() &&
		(f.faults["cuts-unused"] && c.early && c.answers == 0 && time.Since(f.stopped) > unhurried/2 ||
			f.faults["cuts-some"] && c.number%4 == 3)
}

func (f *fixture) spoilAnswer(c *fixtureConn, _ *http.Request) (goesOn, spoilt bool) {
	if !f.isStopping() {
		return false, false
	}
	switch {
	case f.faults["class-cut"]:
		return false, true
	case f.faults["class-imperfect"]:
		fmt.Fprint(c, "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		return false, true
	case f.faults["class-refuse"]:
		fmt.Fprint(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
		return true, true
	}
	return false, false
}

// spoilSlow passes the time of a slow request, and reports whether it was given up.
func (f *fixture) spoilSlow(d time.Duration) bool {
	if !f.faults["cuts-slow"] {
		time.Sleep(d)
		return false
	}
	select {
	case <-time.After(d):
		return false
	case <-f.stopping:
		return true
	}
}

// spoilBusy keeps a connection that was busy at the signal.
func (f *fixture) spoilBusy(c *fixtureConn, before bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = c.kept || f.faults["busy-kept"] && before && f.isStopping()
	return c.kept
}

// spoilExpectation refuses, a while later, a client that asks whether it may send
// its body.
func (f *fixture) spoilExpectation() bool {
	if f.faults["refuses-expectations"] {
		<-f.stopping
	}
	return f.faults["refuses-expectations"]
}

func (f *fixture) spoilBody(c *fixtureConn, body io.Reader) io.Reader {
	if !f.faults["cuts-long-bodies"] {
		return body
	}
	return readerFunc(func(b []byte) (int, error) {
		if f.isStopping() {
			_ = c.SetReadDeadline(f.stopped.Add(2 * unhurried))
		}
		return body.Read(b)
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// spoilKept ends a connection that is said to go on.
func (f *fixture) spoilKept(c *fixtureConn) bool {
	return f.faults["cuts-pipelined"] && f.isStopping() && c.r.Buffered() > 0
}

// abort closes with RST.
func abort(c *fixtureConn) {
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
}
