package process

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Stranger tells who listens on a port that this instance was given, when that
// is somebody else: a program that was there before the instance and took the
// port between its being picked and the instance's own listening. A probe
// cannot see the difference, and requests must not go there. nil means that
// nothing speaks against the listener being the instance's; it may then still
// be a helper that the instance has started elsewhere (a container's).
func (p *Process) Stranger(port int) error {
	inodes := listeners(port)
	if len(inodes) == 0 || holds(p.pid, inodes) {
		return nil
	}
	var stranger stat
	own := false
	err := scan(func(s stat) {
		if own || !holds(s.pid, inodes) {
			return
		}
		if s.session == p.pid || s.start >= p.born&(1<<tickBits-1) {
			own = true
			return
		}
		stranger = s
	})
	if err != nil || own || stranger.pid == 0 {
		return nil // who it is cannot be told; that is no reason to accuse
	}
	return fmt.Errorf("port %d, which it was given, has been taken by process %d (%s); start it again", port, stranger.pid, commandOf(stranger.pid))
}

func commandOf(pid int) string {
	name, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil {
		return "gone"
	}
	return string(bytes.TrimSpace(name))
}

// listeners finds the sockets that listen on a port, by inode as /proc/PID/fd
// shows them (proc_net_tcp.txt of the kernel's documentation).
func listeners(port int) map[string]bool {
	found := map[string]bool{}
	suffix := fmt.Sprintf(":%04X", port)
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(file)
		if err != nil {
			continue // no IPv6, or no /proc: then nothing is told
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			col := strings.Fields(lines.Text())
			if len(col) > 9 && col[3] == "0A" && strings.HasSuffix(col[1], suffix) {
				found["socket:["+col[9]+"]"] = true
			}
		}
		f.Close()
	}
	return found
}

// holds reports whether a process has one of the sockets open. One that may not
// be looked into has none.
func holds(pid int, inodes map[string]bool) bool {
	fds, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/fd/*")
	if err != nil {
		return false
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && inodes[to] {
			return true
		}
	}
	return false
}
