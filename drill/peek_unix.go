//go:build unix

package drill

import "syscall"

// peekRaw receives with MSG_PEEK; Go's sockets never block.
func peekRaw(raw syscall.RawConn) pending {
	found := pendingEnd
	err := raw.Read(func(fd uintptr) bool {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		switch {
		case n > 0:
			found = pendingData
		case err == syscall.EAGAIN || err == syscall.EINTR:
			found = pendingNothing
		}
		return true
	})
	if err != nil {
		return pendingEnd
	}
	return found
}
