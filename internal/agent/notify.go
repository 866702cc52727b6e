package agent

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// A notice is where an instance says how it is, by the protocol of
// sd_notify(3): datagrams of lines such as READY=1. nil is of an instance that
// is not asked to.
type notice struct {
	path  string
	conn  *net.UnixConn
	ready chan struct{} // closed when READY=1 was said
	once  sync.Once
}

// longestPath of a Unix socket, without the zero at its end (unix(7)).
const longestPath = 107

func (a *Agent) notices() string { return filepath.Join(a.o.State, "notify") }

// openNotice makes the socket of an instance.
func (a *Agent) openNotice(id string) (*notice, error) {
	path := filepath.Join(a.notices(), id)
	if len(path) > longestPath {
		return nil, fmt.Errorf("%s is too long for a Unix socket, which probes.startup.notify needs; choose a shorter state folder with --state", path)
	}
	if err := os.MkdirAll(a.notices(), 0o700); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) { // an earlier agent's
		return nil, err
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("socket for probes.startup.notify: %w", err)
	}
	return &notice{path: path, conn: conn, ready: make(chan struct{})}, nil
}

// hear takes in what the instance says until the notice is closed.
func (n *notice) hear(status func(string)) {
	buf := make([]byte, 4<<10)
	for {
		size, err := n.conn.Read(buf)
		if err != nil {
			return
		}
		for line := range strings.SplitSeq(string(buf[:size]), "\n") {
			word, text, _ := strings.Cut(line, "=")
			switch {
			case line == "READY=1":
				n.once.Do(func() { close(n.ready) })
			case word == "STATUS":
				status(text)
			}
		}
	}
}

// environ tells the instance where to say it.
func (n *notice) environ() []string {
	if n == nil {
		return nil
	}
	return []string{"NOTIFY_SOCKET=" + n.path}
}

// said is closed when the instance has said that it is ready.
func (n *notice) said() <-chan struct{} {
	if n == nil {
		return nil
	}
	return n.ready
}

func (n *notice) close() {
	if n != nil {
		n.conn.Close()
		_ = os.Remove(n.path) // gone with the connection already
	}
}
