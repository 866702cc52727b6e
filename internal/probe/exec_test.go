package probe

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

func execProbe(argv ...string) deploy.Probe {
	return deploy.Probe{Exec: argv, Timeout: 10 * time.Second}
}

func execTarget(t *testing.T) Target {
	return Target{Env: deploy.Environment{"PATH": "/usr/bin:/bin", "PORT": "4711"}, Dir: t.TempDir()}
}

func TestExec(t *testing.T) {
	target := execTarget(t)
	for name, c := range map[string]struct {
		argv []string
		want string // of the error; "" for a yes
	}{
		"yes":            {[]string{"true"}, ""},
		"no":             {[]string{"sh", "-c", "echo no luck >&2; exit 3"}, "exit status 3: no luck"},
		"variables":      {[]string{"test", "$PORT", "=", "4711"}, ""},
		"shell's own":    {[]string{"sh", "-c", `x=1; test "$x-$PORT" = 1-4711`}, ""},
		"only its env":   {[]string{"sh", "-c", `test -z "$HOME"`}, ""},
		"folder":         {[]string{"test", target.Dir, "-ef", "."}, ""},
		"missing":        {[]string{"no-such-program"}, "not in the PATH of the instance"},
		"missing file":   {[]string{"./nothing"}, "no such file"},
		"signal":         {[]string{"sh", "-c", "kill -9 $$"}, "signal: killed"},
		"talks a lot":    {[]string{"sh", "-c", "yes 0123456789 | head -c 1000000; exit 1"}, "exit status 1: 0123456789"},
		"nothing at all": {nil, "asks nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Ask(t.Context(), execProbe(c.argv...), target)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && len(err.Error()) > 400 {
				t.Errorf("told in %d bytes", len(err.Error()))
			}
		})
	}
}

// TestExecTimeoutKillsTheGroup has a program and its child hold a pipe open,
// which ends only when both are gone.
func TestExecTimeoutKillsTheGroup(t *testing.T) {
	target := execTarget(t)
	fifo := filepath.Join(target.Dir, "alive")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	gone := untilClosed(t, fifo)
	p := execProbe("sh", "-c", "exec 3>alive; sleep 1000 & sleep 1000")
	p.Timeout = 300 * time.Millisecond
	err := Ask(t.Context(), p, target)
	if err == nil || !strings.HasSuffix(err.Error(), "no answer within 300ms") {
		t.Error(err)
	}
	<-gone
}

// TestExecLeavesNothing: what a program leaves running ends with it.
func TestExecLeavesNothing(t *testing.T) {
	target := execTarget(t)
	fifo := filepath.Join(target.Dir, "alive")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	gone := untilClosed(t, fifo)
	if err := Ask(t.Context(), execProbe("sh", "-c", "exec 3>alive; sleep 1000 & echo $! > pid; echo $$ > leader"), target); err != nil {
		t.Error(err)
	}
	<-gone
	for _, name := range []string{"leader"} { // the child is init's to reap
		data, err := os.ReadFile(filepath.Join(target.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s %d is still there: %v", name, pid, err)
		}
	}
}

// untilClosed reads a pipe until nobody can write to it any more.
func untilClosed(t *testing.T, fifo string) <-chan struct{} {
	t.Helper()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if _, err := os.ReadFile(fifo); err != nil {
			t.Error(err)
		}
	}()
	return gone
}

func TestExecCancelled(t *testing.T) {
	target := execTarget(t)
	ctx, cancel := context.WithCancel(t.Context())
	fifo := filepath.Join(target.Dir, "started")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = os.ReadFile(fifo)
		cancel()
	}()
	if err := Ask(ctx, execProbe("sh", "-c", "echo > started; sleep 1000"), target); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := Ask(ctx, execProbe("true"), target); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
