package dialect

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"syscall"
)

// A Class is what an error means for whoever goes on.
type Class int

// The classes.
const (
	Other         Class = iota // it will fail again
	LockTimeout                // somebody has held a lock for too long: try again
	Serialization              // a deadlock, or a conflict with others' transactions: try the transaction again
	Exists                     // what is to be made is there
	Gone                       // what is to be removed or changed is not there
	Lost                       // the connection or the server is gone: what was asked may have been done or not
	Full                       // no room, memory or connection is left: go on when there is
	Cancelled                  // somebody has called it off
)

// String names the class.
func (c Class) String() string {
	names := [...]string{"other", "lock timeout", "serialization", "exists", "gone", "lost", "full", "cancelled"}
	if c < 0 || int(c) >= len(names) {
		return "other"
	}
	return names[c]
}

// Passing says that the same statement may well succeed later, unchanged.
func (c Class) Passing() bool {
	switch c {
	case LockTimeout, Serialization, Lost, Full, Cancelled:
		return true
	}
	return false
}

// common knows the errors that do not come from a server.
func common(err error) Class {
	var network *net.OpError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Cancelled
	case errors.Is(err, syscall.ENOSPC):
		return Full
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, net.ErrClosed), errors.As(err, &network):
		return Lost
	}
	return Other
}
