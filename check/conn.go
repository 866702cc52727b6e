package check

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// An ending is how the wait for an answer ended.
type ending string

const (
	whole     ending = "answered whole"
	eof       ending = "closed without an answer"
	cut       ending = "cut in the middle of the answer"
	reset     ending = "reset"
	resetMid  ending = "reset in the middle of the answer"
	timeout   ending = "no answer in time"
	malformed ending = "an answer that is not HTTP"
)

// A conn is one connection of a correct HTTP/1.1 client. It repeats nothing and
// hides nothing. One goroutine uses it at a time.
type conn struct {
	net.Conn
	r    *bufio.Reader
	host string
}

// dial opens a connection that speaks the protocol (an ALPN name with TLS; the
// caller speaks it).
func dial(ctx context.Context, s *server, protocol string) (*conn, error) {
	raw, err := connect(ctx, s)
	if err != nil {
		return nil, err
	}
	return secure(ctx, s, raw, protocol)
}

// connect has the kernels shake hands. The program need not know of it.
func connect(ctx context.Context, s *server) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", s.base.Host)
}

// neverOpened reports whether an error of dial is that of connect: nothing was
// sent, and the client knows it. A reset is none: the connection was accepted,
// and only the client has not come to send anything.
func neverOpened(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial" && !errors.Is(err, syscall.ECONNRESET)
}

// secure speaks TLS on the connection, if the server does. It closes a connection
// on which it fails.
func secure(ctx context.Context, s *server, raw net.Conn, protocol string) (*conn, error) {
	if s.base.Scheme == "https" {
		secure := tls.Client(raw, &tls.Config{ServerName: s.base.Hostname(), NextProtos: []string{protocol},
			InsecureSkipVerify: s.target.Insecure || s.target.local()})
		if err := secure.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, err
		}
		raw = secure
	}
	return &conn{raw, bufio.NewReader(raw), s.base.Host}, nil
}

// distant makes the client learn of everything only a while after it has come.
func (c *conn) distant(lag time.Duration) {
	c.Conn = far(c.Conn, lag)
	c.r = bufio.NewReader(c.Conn)
}

func (c *conn) send(s string) error {
	_, err := io.WriteString(c.Conn, s)
	return err
}

// head is a request's header, without the empty line that ends it.
func (c *conn) head(method, path string, fields ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: segue-check\r\nAccept: */*\r\n", method, path, c.host)
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	return b.String()
}

func (c *conn) get(path string, fields ...string) error {
	return c.send(c.head(http.MethodGet, path, fields...) + "\r\n")
}

// exchange sends a request and reads its answer, until then. What could not be
// sent was cut.
func (c *conn) exchange(path string, until time.Time) answer {
	if err := c.get(path); err != nil {
		return answer{ending: endingOf(err, false), at: time.Now()}
	}
	return c.answer(until)
}

// An answer is what came of a request.
type answer struct {
	ending ending
	status int
	header http.Header
	body   []byte // no more than the first MiB
	length int64  // of the whole body
	// framed is a body that has a length or a last chunk. The end of another is
	// the end of the connection, and cannot be told from a cut (RFC 9112 §8).
	framed bool
	close  bool // the server has said that it is the last one on this connection
	at     time.Time

	trailer http.Header // of HTTP/2
}

// String is what the client saw, in words that follow "was" or a colon.
func (a answer) String() string {
	switch {
	case a.ending != whole:
		return string(a.ending)
	case a.close:
		return fmt.Sprintf("answered %d with Connection: close", a.status)
	default:
		return fmt.Sprintf("answered %d", a.status)
	}
}

// answer reads the answer to a GET or POST, until then.
func (c *conn) answer(until time.Time) answer {
	return c.rest(c.opening(until))
}

// opening reads the header of an answer, until then. The response is nil if none
// has come.
func (c *conn) opening(until time.Time) (*http.Response, answer) {
	_ = c.SetReadDeadline(until)
	for {
		res, a := c.header()
		if res == nil || a.status/100 != 1 || a.status == http.StatusSwitchingProtocols {
			return res, a
		} // RFC 9110 §15.2: any number may come before the answer
	}
}

func (c *conn) header() (*http.Response, answer) {
	if _, err := c.r.Peek(1); err != nil {
		return nil, answer{ending: endingOf(err, false), at: time.Now()}
	}
	res, err := http.ReadResponse(c.r, &http.Request{Method: http.MethodGet})
	if err != nil {
		return nil, answer{ending: endingOf(err, true), at: time.Now()}
	}
	return res, answer{ending: whole, status: res.StatusCode, header: res.Header, close: res.Close,
		framed: res.ContentLength >= 0 || len(res.TransferEncoding) > 0, at: time.Now()}
}

// rest reads what follows the header.
func (c *conn) rest(res *http.Response, a answer) answer {
	if res == nil {
		return a
	}
	defer res.Body.Close()
	var err error
	if a.body, err = io.ReadAll(io.LimitReader(res.Body, 1<<20)); err == nil {
		a.length, err = io.Copy(io.Discard, res.Body)
	}
	a.length += int64(len(a.body))
	if err != nil {
		a.ending = endingOf(err, true)
	}
	a.at = time.Now()
	return a
}

// endingOf tells what an error of reading means; begun, that some of the answer
// had come.
func endingOf(err error, begun bool) ending {
	var sys syscall.Errno
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return timeout
	case errors.As(err, &sys) && begun:
		return resetMid
	case errors.As(err, &sys):
		return reset
	case (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) && begun:
		return cut
	case errors.Is(err, io.EOF):
		return eof
	default:
		return malformed
	}
}

// hungUp waits until the server closes the connection on which nothing is asked,
// until then at most. A careful client looks before it sends: one that finds
// its connection closed has lost nothing (RFC 9112 §9.5). However late it is, it
// looks once.
func (c *conn) hungUp(until time.Time) (ending, bool) {
	_ = c.SetReadDeadline(until)
	_, err := c.r.Peek(1)
	if endingOf(err, false) == timeout && c.something() {
		_ = c.SetReadDeadline(time.Now().Add(takenWithin))
		_, err = c.r.Peek(1)
	}
	switch e := endingOf(err, false); {
	case err == nil:
		return malformed, false // an answer to no question: left for the next read
	case e == timeout:
		return e, false
	default:
		return e, true
	}
}

// something reports whether the kernel holds what was not read, were it only the
// end of the connection: Read does not look once its deadline has passed.
func (c *conn) something() bool {
	inner := c.Conn
	if secure, ok := inner.(*tls.Conn); ok {
		inner = secure.NetConn()
	}
	tcp, ok := inner.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	_ = raw.Control(func(fd uintptr) {
		n, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}}, 0)
	})
	return n > 0
}
