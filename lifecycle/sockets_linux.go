package lifecycle

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// takesNoMore lets a listening socket of TCP ignore attempts to connect, and
// reports whether it could. What is in the socket's queue, or half open, is not
// concerned. A client whose attempt was ignored tries again by itself a second
// later, and is refused then, with nothing sent.
//
// It is not for sockets that others accept on: it goes for all copies.
func takesNoMore(l net.Listener) bool {
	t, ok := l.(*net.TCPListener)
	if !ok {
		return false
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return false
	}
	// A filter of BPF sees the segment from TCP's header on. Its flags are in byte
	// 13; one that opens a connection has SYN without ACK (RFC 9293 §3.1).
	const flags, synAck, syn = 13, 0x12, 0x02
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: synAck},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: syn, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0xffffffff},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	cerr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	})
	return cerr == nil && err == nil
}

// hasInput tells whether bytes have come that nobody has read.
func hasInput(c net.Conn) bool {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	if raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }) != nil {
		return false
	}
	return err == nil && n > 0
}
