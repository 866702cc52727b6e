package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Build runs a script by `sh -c` in dir, with the caller's environment, and
// streams its output to out. When ctx ends, the script and all in its process
// group are killed. The error tells the exit status and the last lines of the
// output. out gets one Write at a time.
func Build(ctx context.Context, dir, script string, out io.Writer) error {
	last := &lastLines{out: out}
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = last, last
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second // for what left the group and holds the output open
	err := cmd.Run()
	switch exit := (*exec.ExitError)(nil); {
	case ctx.Err() != nil:
		return fmt.Errorf("build called off: %w", context.Cause(ctx))
	case errors.Is(err, exec.ErrWaitDelay):
		return nil // the script is done, and has left something running
	case errors.As(err, &exit):
		ws, _ := exit.Sys().(syscall.WaitStatus)
		x := exitOf(int(ws))
		x.At = time.Now()
		return fmt.Errorf("build `%s` in %s: %s%s", firstLine(script), dir, x, last)
	case err != nil:
		return fmt.Errorf("build `%s` in %s: %w", firstLine(script), dir, err)
	}
	return nil
}

func firstLine(s string) string {
	line, more, _ := strings.Cut(strings.TrimSpace(s), "\n")
	if more != "" {
		line += " …"
	}
	return line
}

const lastKept = 4 << 10 // bytes

// lastLines passes output on and remembers its end.
type lastLines struct {
	mu  sync.Mutex
	out io.Writer
	end []byte
}

func (l *lastLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = append(l.end, b...)
	if n := len(l.end) - lastKept; n > 0 {
		l.end = append(l.end[:0], l.end[n:]...)
	}
	return l.out.Write(b)
}

// String is the last ten lines, each on a line of its own, or "".
func (l *lastLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := strings.TrimRight(string(l.end), "\n")
	if text == "" {
		return ""
	}
	lines := strings.Split(text, "\n")
	lines = lines[max(0, len(lines)-10):]
	return "\n  " + strings.Join(lines, "\n  ")
}
