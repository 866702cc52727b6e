package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// dial opens a connection. While nothing listens on an ephemeral port of this
// machine, the kernel may choose that very port for our end, and the connection
// is made to itself (a simultaneous open, RFC 9293 section 3.5). It looks like a
// yes and takes the port from the instance, so it is cut at once, by a reset so
// that the port does not stay in TIME_WAIT.
func dial(ctx context.Context, addr string) (net.Conn, error) {
	if addr == "" {
		return nil, errors.New("the instance has no address to ask at")
	}
	d := net.Dialer{KeepAlive: -1} // it lives too briefly to be worth the system calls
	conn, err := d.DialContext(ctx, "tcp", addr)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, refused(addr)
	}
	if err != nil {
		return nil, err
	}
	if selfConnected(conn) {
		reset(conn)
		return nil, refused(addr)
	}
	return conn, nil
}

func refused(addr string) error {
	return answer{fmt.Errorf("%s: %w", addr, syscall.ECONNREFUSED)}
}

func selfConnected(conn net.Conn) bool {
	local, ok := conn.LocalAddr().(*net.TCPAddr)
	remote, ok2 := conn.RemoteAddr().(*net.TCPAddr)
	return ok && ok2 && local.Port == remote.Port && local.IP.Equal(remote.IP)
}

func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // without it, closing is only slower
	}
	_ = conn.Close()
}

// askTCP takes a connection that was made as a yes.
func askTCP(ctx context.Context, addr string) error {
	conn, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	_ = conn.Close() // the answer is there already
	return nil
}
