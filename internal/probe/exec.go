package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/seguehq/segue/internal/deploy"
)

// maxOutput of a program is kept; the rest is thrown away.
const maxOutput = 4 << 10

// askExec runs a program in a process group of its own and takes exit status 0
// as a yes. When it returns, the group is gone: after a timeout the whole of
// it is killed, after an exit whatever the program left running.
func askExec(ctx context.Context, argv []string, t Target) error {
	cmd, out, err := command(argv, t)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	timedOut := waitGroup(ctx, cmd.Process.Pid)
	err = cmd.Wait()
	switch {
	case timedOut:
		return context.Cause(ctx)
	case err == nil || errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success():
		return nil
	}
	said := cmd.ProcessState.String()
	if text := excerpt(out.bytes()); text != "" {
		said += ": " + text
	}
	return answer{errors.New(said)}
}

func command(argv []string, t Target) (*exec.Cmd, *bounded, error) {
	if len(argv) == 0 {
		return nil, nil, errors.New("the probe asks nothing")
	}
	words := make([]string, len(argv))
	for i, w := range argv {
		words[i] = deploy.Expand(w, t.Env)
	}
	path, err := lookPath(words[0], t.Env["PATH"])
	if err != nil {
		return nil, nil, err
	}
	out := &bounded{}
	return &exec.Cmd{
		Path:        path,
		Args:        words,
		Dir:         t.Dir,
		Env:         flatten(t.Env),
		Stdout:      out,
		Stderr:      out,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
		WaitDelay:   100 * time.Millisecond, // for a child that left the group and holds our pipe
	}, out, nil
}

// lookPath finds a program the way the instance would: by its own PATH, not by
// segue's. A name with a slash is taken as it is, relative to the folder.
func lookPath(name, path string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range filepath.SplitList(path) {
		full := filepath.Join(dir, name)
		if info, err := os.Stat(full); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && filepath.IsAbs(full) {
			return full, nil
		}
	}
	return "", fmt.Errorf("%s is not in the PATH of the instance (%q)", name, path)
}

func flatten(env deploy.Environment) []string {
	out := make([]string, 0, len(env)) // never nil: that would mean segue's own
	for _, name := range env.Names() {
		out = append(out, name+"="+env[name])
	}
	return out
}

// waitGroup waits until the leader of the process group has ended, or kills the
// group when ctx ends first. The leader is not reaped here: as long as it is a
// zombie, its pid cannot come to name somebody else's group, so that the kill
// meets nobody but ours.
func waitGroup(ctx context.Context, pid int) (timedOut bool) {
	var mu sync.Mutex
	ended := false
	stop := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		if !ended {
			timedOut = true
			killGroup(pid)
		}
	})
	defer stop()
	awaitExit(pid)
	mu.Lock()
	defer mu.Unlock()
	ended = true
	killGroup(pid)
	return timedOut
}

func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) } // ESRCH: all gone already

// awaitExit blocks until the child has ended and leaves it to be reaped. The
// syscall package has no wrapper for waitid(2).
func awaitExit(pid int) {
	const (
		pPID    = 1
		wExited = 0x4
		wNoWait = 0x1000000
	)
	var info [128]byte // siginfo_t, which nobody reads
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, pPID, uintptr(pid), uintptr(unsafe.Pointer(&info)), wExited|wNoWait, 0, 0)
		if errno != syscall.EINTR {
			return
		}
	}
}

// bounded keeps the first maxOutput bytes and takes the rest for granted, so
// that a program that talks too much is not stopped by it.
type bounded struct {
	mu   sync.Mutex
	kept []byte
}

func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = append(b.kept, p[:min(len(p), maxOutput-len(b.kept))]...)
	return len(p), nil
}

func (b *bounded) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kept
}
