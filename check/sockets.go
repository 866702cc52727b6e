package check

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A socket is a TCP socket of this machine, as proc_net_tcp(5) shows it.
type socket struct {
	local, remote int // ports
	state         string
	unread        int    // bytes that the kernel has and the program has not read
	inode         string // "0" if no program holds it, such as one that nobody has accepted yet
}

const listening = "0A"

// sockets are all that there are now.
func sockets() []socket {
	var all []socket
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, _ := os.ReadFile(file) // no IPv6, no file
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) < 10 || f[0] == "sl" {
				continue
			}
			_, unread, _ := strings.Cut(f[4], ":")
			all = append(all, socket{local: hexPort(f[1]), remote: hexPort(f[2]), state: f[3], unread: hex(unread), inode: f[9]})
		}
	}
	return all
}

func hexPort(address string) int {
	_, port, _ := strings.Cut(address, ":")
	return hex(port)
}

func hex(s string) int {
	n, _ := strconv.ParseUint(s, 16, 63)
	return int(n)
}

// listeners are the TCP ports on which these processes listen, with the
// processes that hold the sockets.
func listeners(pids []int) map[int][]int {
	ports := map[string]int{} // by the name that a descriptor's link has
	for _, s := range listeningSockets() {
		if s.state == listening {
			ports["socket:["+s.inode+"]"] = s.local
		}
	}
	held := map[int][]int{}
	for _, pid := range pids {
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, fd := range fds {
			link, _ := os.Readlink(fd)
			port, ok := ports[link]
			if ok && !slices.Contains(held[port], pid) {
				held[port] = append(held[port], pid)
			}
		}
	}
	return held
}

// peer is the server's end of the connection; false if it is not on this machine,
// or in a network namespace of its own.
func (c *conn) peer() (socket, bool) {
	mine, _ := c.LocalAddr().(*net.TCPAddr)
	its, _ := c.RemoteAddr().(*net.TCPAddr)
	if mine == nil || its == nil {
		return socket{}, false
	}
	return socketBetween(its, mine)
}

const (
	lookAgain   = 2 * time.Millisecond   // at a table of the kernel, which tells nobody when it changes
	takenWithin = time.Second            // a server that does not read for so long is busy with something else
	takenUnseen = 100 * time.Millisecond // what it may take where it cannot be seen
)

// taken waits until the server has accepted the connection and read all that was
// sent on it.
func (s *Stage) taken(ctx context.Context, c *conn) {
	s.seen(ctx, c, func(s socket) bool { return s.inode != "0" && s.unread == 0 })
}

// queued waits until something of what was sent waits at the server, unread.
func (s *Stage) queued(ctx context.Context, c *conn) {
	s.seen(ctx, c, func(s socket) bool { return s.unread > 0 })
}

func (s *Stage) seen(ctx context.Context, c *conn, so func(socket) bool) {
	for until := time.Now().Add(takenWithin); time.Now().Before(until) && ctx.Err() == nil; pause(ctx, lookAgain) {
		end, here := c.peer()
		if !here {
			pause(ctx, takenUnseen)
			return
		}
		if so(end) {
			return
		}
	}
}
