//go:build bench

package bench

import (
	"bytes"
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// upstream is the instance behind every proxy: it answers each request with
// fixed bytes, from one thread on epoll, so that it costs as little as an
// instance can and is the bottleneck of nothing. It reads no request beyond
// its first line and the empty one, which is all that its callers here need.
// Its listening sockets are the descriptors from 3 on, as many as
// SEGUE_BENCH_LISTENERS says: each is an instance to a proxy.
func upstream() error {
	listeners, err := strconv.Atoi(os.Getenv(listenersEnv))
	if err != nil {
		return err
	}
	u := &responder{conns: map[int32]*upstreamConn{}, small: answer(100), large: answer(100 << 10), end: firstFD + int32(listeners)}
	if u.ep, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	for fd := int32(firstFD); fd < u.end; fd++ {
		if err := errors.Join(unix.SetNonblock(int(fd), true), u.watch(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN)); err != nil {
			return err
		}
	}
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(u.ep, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		for _, e := range events[:max(n, 0)] {
			u.ready(e)
		}
	}
}

const (
	firstFD      = 3
	listenersEnv = "SEGUE_BENCH_LISTENERS"
)

// answer is a response as a small service gives it, with n bytes of body.
func answer(n int) []byte {
	head := "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " + strconv.Itoa(n) + "\r\n\r\n"
	return append([]byte(head), bytes.Repeat([]byte("x"), n)...)
}

type responder struct {
	ep           int
	end          int32 // of the listening descriptors
	conns        map[int32]*upstreamConn
	small, large []byte
	buf          [64 << 10]byte
}

type upstreamConn struct {
	in  []byte   // of a request that is not whole yet
	out [][]byte // not written yet
}

func (u *responder) watch(op int, fd int32, events uint32) error {
	return unix.EpollCtl(u.ep, op, int(fd), &unix.EpollEvent{Events: events, Fd: fd})
}

func (u *responder) ready(e unix.EpollEvent) {
	if e.Fd >= firstFD && e.Fd < u.end {
		u.accept(e.Fd)
		return
	}
	c := u.conns[e.Fd]
	if c == nil {
		return
	}
	err := error(nil)
	if e.Events&unix.EPOLLOUT != 0 {
		err = u.flush(e.Fd, c, true)
	}
	if err == nil && e.Events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		err = u.read(e.Fd, c)
	}
	if err != nil {
		delete(u.conns, e.Fd)
		_ = unix.Close(int(e.Fd)) // the peer has gone
	}
}

func (u *responder) accept(listener int32) {
	for {
		fd, _, err := unix.Accept4(int(listener), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return // EAGAIN; anything else comes again
		}
		if unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) != nil || u.watch(unix.EPOLL_CTL_ADD, int32(fd), unix.EPOLLIN) != nil {
			_ = unix.Close(fd)
			continue
		}
		u.conns[int32(fd)] = &upstreamConn{}
	}
}

var errEnded = errors.New("connection ended")

func (u *responder) read(fd int32, c *upstreamConn) error {
	n, err := unix.Read(int(fd), u.buf[:])
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return nil
	}
	if err != nil || n == 0 {
		return errEnded
	}
	in := u.buf[:n]
	if len(c.in) > 0 {
		c.in = append(c.in, in...)
		in = c.in
	}
	for {
		head, rest, whole := bytes.Cut(in, []byte("\r\n\r\n"))
		if !whole {
			break
		}
		if bytes.HasPrefix(head, []byte("GET /100k")) {
			c.out = append(c.out, u.large)
		} else {
			c.out = append(c.out, u.small)
		}
		in = rest
	}
	c.in = append(c.in[:0], in...)
	return u.flush(fd, c, false)
}

// flush writes what it can and has epoll tell when there is room for more.
func (u *responder) flush(fd int32, c *upstreamConn, waiting bool) error {
	out := c.out
	for len(out) > 0 {
		n, err := unix.Write(int(fd), out[0])
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		if err != nil {
			return err
		}
		if out[0] = out[0][n:]; len(out[0]) == 0 {
			out = out[1:]
		}
	}
	c.out = append(c.out[:0], out...)
	if full := len(c.out) > 0; full != waiting {
		events := uint32(unix.EPOLLIN)
		if full {
			events |= unix.EPOLLOUT
		}
		return u.watch(unix.EPOLL_CTL_MOD, fd, events)
	}
	return nil
}

func startUpstream(b *bench) string {
	b.t.Helper()
	return startUpstreams(b, 1)[0]
}

// startUpstreams gives n addresses that answer, all in one process.
func startUpstreams(b *bench, n int) (addrs []string) {
	b.t.Helper()
	var sockets []socket
	for range n {
		l, addr := b.listen()
		defer l.Close()
		sockets, addrs = append(sockets, l), append(addrs, addr)
	}
	_, _, cpu := cpus()
	b.start(cpu, []string{roleEnv + "=upstream", listenersEnv + "=" + strconv.Itoa(n)}, []string{b.self}, sockets...)
	b.answers(false, addrs[n-1])
	return addrs
}
