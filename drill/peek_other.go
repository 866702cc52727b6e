//go:build !unix

package drill

import "syscall"

// peekRaw cannot look without taking here; the drill is then a client that
// does not look (see Plan.SkipPeek).
func peekRaw(syscall.RawConn) pending { return pendingNothing }
