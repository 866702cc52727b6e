package check

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// A guard ends a server if we die before we could: killed, or crashed. It is a
// shell at the other end of a pipe, which the kernel closes with our last breath.
// PR_SET_PDEATHSIG would reach the first process alone, and whoever it has
// started would live on; and it goes by threads, which in Go come and go.
type guard struct {
	shell *exec.Cmd
	pipe  io.WriteCloser
	once  sync.Once
}

// guardScript reads the first process's number, and then one more line, which
// comes only if there is nothing left to do. It ends the process group, and
// whoever has left that by the mark in its environment; twice, as something may
// be forked meanwhile.
const guardScript = `
read -r first
read -r done && exit 0
for round in 1 2; do
	[ -n "$first" ] && kill -s KILL -- "-$first"
	for dir in /proc/[0-9]*; do
		grep -qsF -- "$1" "$dir/environ" && kill -s KILL "${dir#/proc/}"
	done
done 2>/dev/null`

// newGuard returns nil, which guards nothing, where there is no shell.
func newGuard(mark string) *guard {
	g := &guard{shell: exec.Command("/bin/sh", "-c", guardScript, "sh", mark)}
	g.shell.Env = []string{"PATH=" + os.Getenv("PATH")} // without the mark that we may carry ourselves
	g.shell.Dir = "/"
	g.shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // what ends us by the terminal must not end it
	var err error
	if g.pipe, err = g.shell.StdinPipe(); err != nil {
		return nil
	}
	if err = g.shell.Start(); err != nil {
		return nil
	}
	return g
}

func (g *guard) watch(pid int) {
	if g != nil {
		fmt.Fprintln(g.pipe, pid) // a guard that has died guards nothing
	}
}

// dismiss says that there is nothing left to end, and waits until it has gone.
func (g *guard) dismiss() {
	if g == nil {
		return
	}
	g.once.Do(func() {
		io.WriteString(g.pipe, "done\n")
		g.pipe.Close()
		_ = g.shell.Wait()
	})
}
