package lifecycle

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestSocketThatClosesLosesNoConnection opens connections all the time while the
// socket is left: each is served or refused, and none reset.
func TestSocketThatClosesLosesNoConnection(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("elsewhere what comes in the very last moment is reset: only Linux has a filter against that")
		return
	}
	t.Parallel()
	var rounds sync.WaitGroup
	for range 10 {
		rounds.Go(func() { leaveWhileMany(t, 8) })
	}
	rounds.Wait()
}

// leaveWhileMany leaves a socket to which so many clients connect as fast as they
// can, until they are refused.
func leaveWhileMany(t *testing.T, clients int) {
	inner, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return
	}
	l := &listener{Listener: inner}
	var accepting, opening sync.WaitGroup
	accepting.Go(func() { greetAll(l) })
	var served atomic.Int32
	enough := make(chan struct{})
	for range clients {
		opening.Go(func() {
			err := error(nil)
			for ; err == nil; err = greeted(inner.Addr().String()) {
				if served.Add(1) == int32(3*clients) {
					close(enough)
				}
			}
			if !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("a connection was lost: %v", err)
			}
		})
	}
	<-enough
	l.leave(false)
	accepting.Wait()
	opening.Wait()
}

// greetAll serves until the listener is left, and closes it then, as net/http does.
func greetAll(l *listener) {
	defer l.Close()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = c.Write([]byte("!"))
		_ = c.Close()
	}
}

func greeted(addr string) error {
	c, err := net.DialTimeout("tcp", addr, 20*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, err = c.Read(make([]byte, 1))
	return err
}
