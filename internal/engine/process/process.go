// Package process runs instances as processes of this machine. It promises:
//
//   - No unknown copy ever runs. A process is first made with its gate closed:
//     it has its pid, but none of the user's code. The caller journals the pid
//     and opens the gate. Killed at any instant before that, the caller leaves
//     nothing behind.
//   - Instances outlive the agent, and the next agent adopts them without
//     mistaking a reused pid, or a pid from before a reboot, for one of them.
//   - When an instance has ended, none of its children is left, not even one
//     that left its session: nobody holds its port or does its work twice.
//   - A release's files are there completely and unchanged, or not at all
//     ([Trees]).
//   - Logs are rotated without the help of the process that writes them, and no
//     line is lost or told twice, whenever the agent is killed ([Rotator]).
//
// The gate is this very binary, started as "segue _instance" ([Shim]). It waits
// on a pipe, and execs the user's command in its own place when told to: pid
// and start time stay the same.
package process

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"github.com/seguehq/segue/internal/deploy"
)

// An Engine starts and adopts processes and owns the goroutine that watches
// each of them. Its zero value is ready, and it may be used concurrently. It
// must not be copied.
type Engine struct {
	// Self is the path of a binary whose main calls Shim. Empty means the
	// running binary itself, even if its file has been replaced or deleted
	// since: that is the safe choice, as both ends of the gate then agree.
	Self string

	mu       sync.Mutex
	live     map[*Process]struct{}
	watching sync.WaitGroup
	sweep    sync.Once // of cgroups that earlier agents left behind
	scans    scans
}

// A Command says what an instance runs.
type Command struct {
	ID      string   // of the instance; names it in errors and in the cgroup
	Argv    []string // $NAME and ${NAME} are expanded from Env, see deploy.Expand
	Dir     string   // working directory; a command with a slash is relative to it
	Env     []string // the complete environment, as KEY=VALUE, see Environ
	LogFile string   // gets stdout and stderr, appended; its folder is made if missing
	Limits  deploy.Limits
	// Sockets are passed on by the systemd protocol (LISTEN_FDS, LISTEN_PID,
	// LISTEN_FDNAMES), as descriptors 3, 4, … in this order.
	Sockets []Socket
}

// A Socket is a descriptor that an instance inherits. It stays the caller's to
// close.
type Socket struct {
	Name string // without ":"
	File *os.File
}

// A Process is a running instance: its leader, which is the process whose pid
// is told, and its children. All methods may be called
// concurrently.
type Process struct {
	id     string
	engine *Engine
	pid    int
	born   uint64
	pidfd  *os.File // non-blocking, in the runtime's poller
	cgroup *cgroup  // nil: none
	done   chan struct{}

	mu     sync.Mutex
	gate   *gate // nil: opened, or adopted
	sent   map[syscall.Signal]bool
	exit   Exit
	remain error // which of its children could not be killed
}

// ErrGone is returned by Adopt for a process that has ended.
var ErrGone = errors.New("the process is gone")

// PID is the leader's process id, which is also that of its session and group.
func (p *Process) PID() int { return p.pid }

// Born tells the process from every other that has, had or will have its pid:
// its lower 36 bits are the start time in clock ticks since boot
// (/proc/PID/stat, field 22), the 16 above them are drawn from the boot id. It
// is below 1<<52.
func (p *Process) Born() uint64 { return p.born }

// Done is closed when the leader has ended and none of its children is left.
// It is never closed for a process that the engine was told to leave.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit tells how the leader ended. It is the zero Exit until Done is closed.
func (p *Process) Exit() Exit {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exit
}

// Leave stops watching: the processes go on running without us, and an agent
// that comes later may adopt them. Those whose gate is still closed end. It
// returns when all goroutines of the engine have ended. Nothing may be prepared
// or adopted during or after it.
func (e *Engine) Leave() {
	e.mu.Lock()
	for p := range e.live {
		p.closeGate()
		p.pidfd.Close()
	}
	e.mu.Unlock()
	e.watching.Wait()
}

// Wait returns when every process of the engine has ended or been left.
func (e *Engine) Wait() { e.watching.Wait() }

func (e *Engine) watch(p *Process) {
	e.mu.Lock()
	if e.live == nil {
		e.live = make(map[*Process]struct{})
	}
	e.live[p] = struct{}{}
	e.mu.Unlock()
	e.watching.Go(func() {
		p.watch()
		e.mu.Lock()
		delete(e.live, p)
		e.mu.Unlock()
	})
}
