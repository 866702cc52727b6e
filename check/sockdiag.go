package check

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// The kernel's tables of sockets are long on a busy machine, and reading
// /proc/net/tcp walks all of them. sock_diag(7) is asked for what is wanted.
// Where it cannot be had, /proc is read.

const (
	stateListen = 10 // TCP_LISTEN
	diagRequest = 56 // bytes of struct inet_diag_req_v2
	diagMessage = 72 // bytes of struct inet_diag_msg
)

// diagQuery is a request for the sockets of a family in these states (a bit for
// each), or for the one that has these ends.
func diagQuery(family uint8, states uint32, flags uint16, mine, its netip.AddrPort) []byte {
	b := make([]byte, syscall.NLMSG_HDRLEN+diagRequest)
	h := binary.NativeEndian
	h.PutUint32(b[0:], uint32(len(b)))
	h.PutUint16(b[4:], unix.SOCK_DIAG_BY_FAMILY)
	h.PutUint16(b[6:], syscall.NLM_F_REQUEST|flags)
	r := b[syscall.NLMSG_HDRLEN:]
	r[0], r[1] = family, syscall.IPPROTO_TCP
	h.PutUint32(r[4:], states)
	id := r[8:]
	binary.BigEndian.PutUint16(id[0:], mine.Port())
	binary.BigEndian.PutUint16(id[2:], its.Port())
	copy(id[4:20], mine.Addr().AsSlice())
	copy(id[20:36], its.Addr().AsSlice())
	h.PutUint64(id[40:], ^uint64(0)) // no cookie
	return b
}

// diag sends the query and reads all answers.
func diag(query []byte) ([]socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, query, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	var found []socket
	buf := make([]byte, 32<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		messages, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			switch {
			case m.Header.Type == syscall.NLMSG_DONE:
				return found, nil
			case m.Header.Type == syscall.NLMSG_ERROR && len(m.Data) >= 4:
				return nil, syscall.Errno(-int32(binary.NativeEndian.Uint32(m.Data)))
			case len(m.Data) < diagMessage:
				return nil, fmt.Errorf("sock_diag: a message of %d bytes", len(m.Data))
			}
			found = append(found, socketOf(m.Data))
			if m.Header.Flags&syscall.NLM_F_MULTI == 0 {
				return found, nil
			}
		}
	}
}

func socketOf(m []byte) socket {
	return socket{
		state:  fmt.Sprintf("%02X", m[1]),
		local:  int(binary.BigEndian.Uint16(m[4:])),
		remote: int(binary.BigEndian.Uint16(m[6:])),
		unread: int(binary.NativeEndian.Uint32(m[56:])),
		inode:  fmt.Sprint(binary.NativeEndian.Uint32(m[68:])),
	}
}

// listeningSockets are those of this network namespace.
func listeningSockets() []socket {
	var all []socket
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		some, err := diag(diagQuery(family, 1<<stateListen, syscall.NLM_F_DUMP, netip.AddrPort{}, netip.AddrPort{}))
		if err != nil {
			return sockets()
		}
		all = append(all, some...)
	}
	return all
}

// socketBetween is the one at the near end of a connection; false if there is
// none in this network namespace.
func socketBetween(near, far *net.TCPAddr) (socket, bool) {
	n, f := near.AddrPort(), far.AddrPort()
	n, f = netip.AddrPortFrom(n.Addr().Unmap(), n.Port()), netip.AddrPortFrom(f.Addr().Unmap(), f.Port())
	family := uint8(unix.AF_INET)
	if n.Addr().Is6() {
		family = unix.AF_INET6
	}
	one, err := diag(diagQuery(family, ^uint32(0), 0, n, f))
	switch {
	case errors.Is(err, unix.ENOENT):
		return socket{}, false
	case err == nil && len(one) == 1:
		return one[0], one[0].remote == far.Port // else it is the listener that would have it
	}
	for _, s := range sockets() {
		if s.local == near.Port && s.remote == far.Port {
			return s, true
		}
	}
	return socket{}, false
}
