package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Unix socket's address holds 107 bytes, and state folders can lie deeper.
// Through /proc/self/fd the folder's descriptor stands for its path.
func through(path string, use func(short string) error) error {
	dir, err := os.OpenFile(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	return use(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}

// Dial connects to the Unix socket at path, however long that is.
func Dial(ctx context.Context, path string) (conn net.Conn, err error) {
	err = through(path, func(short string) error {
		var d net.Dialer
		conn, err = d.DialContext(ctx, "unix", short)
		return err
	})
	return conn, err
}

// Listen makes the Unix socket at path, for its owner alone. A socket file
// that nobody listens on any more is replaced; one that is answered is an error.
func Listen(path string) (l *net.UnixListener, err error) {
	if conn, err := Dial(context.Background(), path); err == nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w; another agent is running there", path, syscall.EADDRINUSE)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	err = through(path, func(short string) error {
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
		if err == nil {
			l.SetUnlinkOnClose(false) // by then the short name means another folder
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	// Its folder is private already; this is for whoever opens that up.
	return l, os.Chmod(path, 0o600)
}
