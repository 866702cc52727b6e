package harness

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
)

// A Command is a segue command that runs beside the test.
type Command struct {
	cmd       *exec.Cmd
	out, errs bytes.Buffer
	over      chan struct{}
}

// Background starts segue in the project's folder.
func (w *World) Background(args ...string) *Command {
	w.T.Helper()
	c := &Command{cmd: w.command(args...), over: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.errs
	if err := c.cmd.Start(); err != nil {
		w.T.Fatalf("segue %s: %v", strings.Join(args, " "), err)
	}
	go func() {
		_ = c.cmd.Wait() // Ran tells how it ended
		close(c.over)
	}()
	w.T.Cleanup(func() {
		_ = c.cmd.Process.Kill() // fails when it has ended already
		<-c.over
	})
	return c
}

// Over is closed when the command has ended.
func (c *Command) Over() <-chan struct{} { return c.over }

// Ran waits for the command's end.
func (c *Command) Ran() Ran {
	<-c.over
	return Ran{c.cmd.ProcessState.ExitCode(), c.out.String(), c.errs.String()}
}

// Interrupt sends what Ctrl-C does.
func (c *Command) Interrupt() { _ = c.cmd.Process.Signal(os.Interrupt) } // fails when it has ended

// Kill ends the command at once. It is over when what it has started has let go
// of its output, too.
func (c *Command) Kill() { _ = c.cmd.Process.Kill() } // fails when it has ended
