package process

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Stranger tells who listens on a port that this instance was given, when that
// is somebody else: a program that was there before the instance and took the
// port between its being picked and the instance's own listening. A probe
// cannot see the difference, and requests must not go there. nil means that
// nothing speaks against the listener being the instance's; it may then still
// be a helper that the instance has started elsewhere (a container's).
func (p *Process) Stranger(port int) error {
	if port == 0 { // a worker's; sock_diag would take it for any
		return nil
	}
	inodes := listeners(port)
	if len(inodes) == 0 || holds(p.pid, inodes) {
		return nil
	}
	all, err := p.engine.scans.all()
	if err != nil {
		return nil // who it is cannot be told; that is no reason to accuse
	}
	stranger := 0
	for _, s := range all {
		if !holds(s.pid, inodes) {
			continue
		}
		if s.session == p.pid || s.start >= p.born&(1<<tickBits-1) {
			return nil
		}
		stranger = s.pid
	}
	if stranger == 0 {
		return nil
	}
	return fmt.Errorf("port %d, which it was given, has been taken by process %d (%s); start it again", port, stranger, commandOf(stranger))
}

func commandOf(pid int) string {
	name, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil {
		return "gone"
	}
	return string(bytes.TrimSpace(name))
}

// listeners finds the sockets that listen on a port, by inode as /proc/PID/fd
// shows them. It asks the kernel for listening sockets of that port alone
// (sock_diag(7)): /proc/net/tcp goes through every connection of the machine.
func listeners(port int) map[string]bool {
	found := map[string]bool{}
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		msgs, err := diag(family, port)
		if err != nil {
			continue // no IPv6, or no sock_diag: then nothing is told
		}
		for _, m := range msgs {
			// struct inet_diag_msg: 4 bytes, a sockid of 48, 4 times 4 bytes, the inode.
			if m.Header.Type == unix.SOCK_DIAG_BY_FAMILY && len(m.Data) >= 72 {
				found[fmt.Sprintf("socket:[%d]", binary.NativeEndian.Uint32(m.Data[68:]))] = true
			}
		}
	}
	return found
}

// diag dumps the TCP sockets of a family that listen on a port.
func diag(family byte, port int) ([]syscall.NetlinkMessage, error) {
	const listening = 1 << 10 // TCP_LISTEN
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	// struct nlmsghdr, then struct inet_diag_req_v2, of which the source port is
	// the first field of its sockid, in network order.
	req := make([]byte, unix.NLMSG_HDRLEN+56)
	binary.NativeEndian.PutUint32(req, uint32(len(req)))
	binary.NativeEndian.PutUint16(req[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	body := req[unix.NLMSG_HDRLEN:]
	body[0], body[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(body[4:], listening)
	binary.BigEndian.PutUint16(body[8:], uint16(port))
	if err := unix.Sendto(fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	var all []syscall.NetlinkMessage
	for buf := make([]byte, 16<<10); ; {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return nil, err
		}
		msgs, err := syscall.ParseNetlinkMessage(slices.Clone(buf[:n]))
		if err != nil {
			return nil, err
		}
		for _, m := range msgs {
			if m.Header.Type == unix.NLMSG_DONE || m.Header.Type == unix.NLMSG_ERROR {
				return all, nil
			}
			all = append(all, m)
		}
	}
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
