package check

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// freeze holds the whole server still (SIGSTOP), and returns once none of its
// threads runs. What is sent to it from now on waits in the kernel, unread, and
// so does a signal: whatever it finds when it is thawed was there before. thaw
// may be called several times.
//
// Only cases with a stage of their own may freeze, and so only servers that we
// have started: one that is left frozen because we were killed is not somebody
// else's.
func (p *place) freeze(ctx context.Context) (thaw func(), err error) {
	p.proc.signalAll(syscall.SIGSTOP)
	pids := p.proc.pids()
	thaw = sync.OnceFunc(func() { // quickly: the signal waits
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGCONT) // it may have been killed
		}
	})
	for until := time.Now().Add(frozenWithin); time.Now().Before(until); pause(ctx, lookAgain) {
		if still(pids) {
			return thaw, nil
		}
	}
	thaw()
	return thaw, errors.New("the server could not be frozen (SIGSTOP)")
}

// frozenWithin is long for what the kernel does at a thread's next step.
const frozenWithin = 2 * time.Second

// still reports whether all threads of these processes are stopped.
func still(pids []int) bool {
	for _, pid := range pids {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		for _, file := range threads {
			t, err := readStat(pid, file)
			if err == nil && t.alive() && t.state != 'T' && t.state != 't' {
				return false
			}
		}
	}
	return true
}
