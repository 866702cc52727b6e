package proxy

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls of the fast path. They are raw, since none of them waits:
// every descriptor is nonblocking, and telling Go's scheduler of a call costs as
// much as a short one takes.

func receive(fd int, b []byte, flags int) (int, syscall.Errno) {
	for {
		n, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(flags), 0, 0)
		if e != syscall.EINTR {
			return int(n), e
		}
	}
}

func transmit(fd int, b []byte) (int, syscall.Errno) {
	for {
		n, _, e := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), syscall.MSG_NOSIGNAL, 0, 0)
		if e == 0 {
			return int(n), 0
		}
		if e != syscall.EINTR {
			return 0, e
		}
	}
}

// transmitBoth sends a and then b in one call.
func transmitBoth(fd int, a, b []byte) (int, syscall.Errno) {
	iov := [2]syscall.Iovec{{Base: unsafe.SliceData(a), Len: uint64(len(a))}, {Base: unsafe.SliceData(b), Len: uint64(len(b))}}
	msg := syscall.Msghdr{Iov: &iov[0], Iovlen: 2}
	for {
		n, _, e := syscall.RawSyscall(syscall.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), syscall.MSG_NOSIGNAL)
		if e == 0 {
			return int(n), 0
		}
		if e != syscall.EINTR {
			return 0, e
		}
	}
}

// unread tells whether a byte waits to be read. open tells that the peer has not
// ended its side.
func unread(fd int) (some, open bool) {
	var b [1]byte
	n, e := receive(fd, b[:], syscall.MSG_PEEK)
	return e == 0 && n > 0, e == syscall.EAGAIN || e == 0 && n > 0
}

func pollWait(ep int, events []syscall.EpollEvent) int {
	n, _, e := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if e != 0 {
		return 0
	}
	return int(n)
}

// always is what every connection is watched for, edge-triggered: one call for
// its whole life.
const always = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

func pollAdd(ep, fd int, events uint32, slot, generation int32) syscall.Errno {
	ev := syscall.EpollEvent{Events: events, Fd: slot, Pad: generation}
	_, _, e := syscall.RawSyscall6(syscall.SYS_EPOLL_CTL, uintptr(ep), syscall.EPOLL_CTL_ADD, uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	return e
}

func pollDel(ep, fd int) {
	var ev syscall.EpollEvent
	syscall.RawSyscall6(syscall.SYS_EPOLL_CTL, uintptr(ep), syscall.EPOLL_CTL_DEL, uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
}

func acceptOne(fd int) (conn int, peer netip.Addr, e syscall.Errno) {
	var sa syscall.RawSockaddrAny
	n := uint32(syscall.SizeofSockaddrAny)
	r, _, e := syscall.RawSyscall6(syscall.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&n)), syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0, 0)
	if e != 0 {
		return -1, peer, e
	}
	switch sa.Addr.Family {
	case syscall.AF_INET:
		peer = netip.AddrFrom4((*syscall.RawSockaddrInet4)(unsafe.Pointer(&sa)).Addr)
	case syscall.AF_INET6:
		peer = netip.AddrFrom16((*syscall.RawSockaddrInet6)(unsafe.Pointer(&sa)).Addr)
	}
	return int(r), peer, 0
}

func closeFD(fd int) { syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(fd), 0, 0) }

// bufferSizes are the classes of buffers. The largest takes a header and the largest body
// that is kept.
var bufferSizes = [...]int{1 << 10, 4 << 10, 16 << 10, keepBody + 16<<10}

// buffersKept is how many free buffers of a class a loop holds on to.
const buffersKept = 64

// buffers is a loop's own store of buffers.
type buffers struct{ free [len(bufferSizes)][][]byte }

// get gives a buffer of at least n bytes, at most the largest class.
func (s *buffers) get(n int) []byte {
	for i, size := range bufferSizes {
		if n > size && i < len(bufferSizes)-1 {
			continue
		}
		if k := len(s.free[i]); k > 0 {
			b := s.free[i][k-1]
			s.free[i] = s.free[i][:k-1]
			return b
		}
		return make([]byte, size)
	}
	return nil
}

func (s *buffers) put(b []byte) {
	for i, size := range bufferSizes {
		if cap(b) == size && len(s.free[i]) < buffersKept {
			s.free[i] = append(s.free[i], b[:size])
		}
	}
}
