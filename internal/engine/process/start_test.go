package process

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func TestCommandRunsOnlyAfterRelease(t *testing.T) {
	e := engine(t)
	c := command(t, "sh", "-c", `echo "$0 $MARK" > mark`, "$MARK")
	c.Env = append(c.Env, "MARK=secret")
	p, err := e.Prepare(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := readStat(p.PID())
	if err != nil || identity(s.start) != p.Born() || s.session != p.PID() {
		t.Fatalf("stat %+v, born %d, %v", s, p.Born(), err)
	}
	for _, f := range []string{"cmdline", "environ"} {
		if strings.Contains(contents(t, fmt.Sprintf("/proc/%d/%s", p.PID(), f)), "secret") {
			t.Errorf("the secret is in the shim's %s", f)
		}
	}
	mark := filepath.Join(c.Dir, "mark")
	if contents(t, mark) != "" {
		t.Fatal("it ran behind a closed gate")
	}
	if err := p.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait(t, p.Done())
	if got := contents(t, mark); got != "secret secret\n" {
		t.Errorf("mark is %q", got)
	}
	if !p.Exit().OK() {
		t.Error(p.Exit())
	}
	if err := p.Release(t.Context()); err == nil {
		t.Error("released twice")
	}
}

func TestStopBehindClosedGate(t *testing.T) {
	e := engine(t)
	c := command(t, "touch", "mark")
	p, err := e.Prepare(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	stop(t, p)
	if _, err := os.Stat(filepath.Join(c.Dir, "mark")); err == nil {
		t.Error("it ran")
	}
	if err := p.Release(t.Context()); err == nil {
		t.Error("released after it was stopped")
	}
}

func TestReleaseCalledOff(t *testing.T) {
	e := engine(t)
	c := command(t, "touch", "mark")
	p, err := e.Prepare(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(syscall.SIGSTOP); err != nil { // so that it cannot answer
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Release(ctx); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Error(err)
	}
	wait(t, p.Done())
	if _, err := os.Stat(filepath.Join(c.Dir, "mark")); err == nil {
		t.Error("it ran")
	}
}

func TestShimKilledBeforeRelease(t *testing.T) {
	e := engine(t)
	p, err := e.Prepare(t.Context(), command(t, "true"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wait(t, p.Done())
	if err := p.Release(t.Context()); err == nil {
		t.Error("released a dead one")
	}
}

func TestWhatTheInstanceFinds(t *testing.T) {
	leak, err := os.Open(".") // as a careless parent of the agent would leave it
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close()
	if err := withFDs([]*os.File{leak}, func(fd []uintptr) error {
		_, _, e := syscall.Syscall(syscall.SYS_FCNTL, fd[0], syscall.F_SETFD, 0)
		if e != 0 {
			return e
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	e := engine(t)
	c := command(t, self(), "helper", "facts")
	p := start(t, e, c)
	wait(t, p.Done())
	log := contents(t, c.LogFile)
	for _, want := range []string{
		fmt.Sprintf("fds 0=/dev/null 1=%s 2=%s\n", c.LogFile, c.LogFile),
		"umask 022\n", "leader true\n", "env " + strings.Join(append(c.Env, leaderMark(p.PID(), p.Born())), " ") + "\n",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in\n%s", want, log)
		}
	}
}

func TestLimitsAndSignalsAreAsTheAgentGotThem(t *testing.T) {
	// An agent in the background of a script, under nohup, with an odd limit.
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c", `trap "" HUP INT USR1; ulimit -Sn 123; exec "$0" "$@"`,
		self(), "helper", "agent", "open", dir, "sh", "-c", "ulimit -Sn; grep ^Sig /proc/self/status; echo end")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "log")
	eventually(t, "the instance ends", func() bool { return strings.HasSuffix(contents(t, log), "end\n") })
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	got := contents(t, log)
	for _, want := range []string{"123\n", "SigBlk:\t0000000000000000\n", "SigIgn:\t0000000000000000\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestSocketsArePassedOn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e := engine(t)
	c := command(t, self(), "helper", "facts")
	c.Env = append(c.Env, "LISTEN_PID=1")
	c.Sockets = []Socket{{"http", f}, {"admin", f}}
	p := start(t, e, c)
	wait(t, p.Done())
	log := contents(t, c.LogFile)
	for _, want := range []string{" 3=socket:", " 4=socket:", "LISTEN_FDS=2", "LISTEN_FDNAMES=http:admin", "listen_pid true"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in\n%s", want, log)
		}
	}
	if strings.Contains(log, " 5=") {
		t.Error("the gate's pipe stays open")
	}
}

func TestBigEnvironment(t *testing.T) {
	e := engine(t)
	c := command(t, "sh", "-c", "exit 7")
	for i := range 10 {
		c.Env = append(c.Env, fmt.Sprintf("BIG%d=%s", i, strings.Repeat("x", 100_000)))
	}
	p := start(t, e, c)
	wait(t, p.Done())
	if p.Exit().Code != 7 {
		t.Error(p.Exit())
	}
}

func TestExecErrors(t *testing.T) {
	foreign := []byte("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + "\x02\x00\xf3\x00\x01\x00\x00\x00")
	foreign = append(foreign, make([]byte, 128)...)
	foreign[52], foreign[54], foreign[58] = 64, 56, 64
	if runtime.GOARCH == "riscv64" {
		foreign[18] = 0x3e
	}
	tests := []struct {
		name string
		file []byte // bin/x
		mode os.FileMode
		argv []string
		want []string
	}{
		{"not in path", nil, 0, []string{"no-such-command"}, []string{"command not found", "PATH"}},
		{"meant ./", []byte("#!/bin/sh\n"), 0o755, []string{"x"}, []string{"did you mean"}},
		{"no file", nil, 0, []string{"bin/y"}, []string{"no such file", "release.files"}},
		{"not executable", []byte("#!/bin/sh\n"), 0o644, []string{"bin/x"}, []string{"not executable", "chmod +x"}},
		{"folder", nil, 0, []string{"./bin"}, []string{"folder"}},
		{"interpreter", []byte("#!/no/python9 -u\n"), 0o755, []string{"bin/x"}, []string{"/no/python9", "first line"}},
		{"carriage return", []byte("#!/bin/sh\r\n"), 0o755, []string{"bin/x"}, []string{"Unix line endings"}},
		{"no first line", []byte("echo hi\n"), 0o755, []string{"bin/x"}, []string{"#!/bin/sh"}},
		{"empty", nil, 0o755, []string{"bin/x"}, []string{"empty"}},
		{"foreign", foreign, 0o755, []string{"bin/x"}, []string{"built for", runtime.GOARCH}},
		{"too big", []byte("#!/bin/sh\n"), 0o755, []string{"bin/x", strings.Repeat("x", 200_000)}, []string{"too big"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := engine(t)
			c := command(t, tt.argv...)
			if err := os.Mkdir(filepath.Join(c.Dir, "bin"), 0o755); err != nil {
				t.Fatal(err)
			}
			if tt.mode != 0 {
				at := "bin/x"
				if tt.name == "meant ./" {
					at = "x"
				}
				if err := os.WriteFile(filepath.Join(c.Dir, at), tt.file, tt.mode); err != nil {
					t.Fatal(err)
				}
			}
			p, err := e.Prepare(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			err = p.Release(t.Context())
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range append(tt.want, "shop-1-1") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in: %v", want, err)
				}
			}
			wait(t, p.Done())
			if alive(p.PID()) {
				t.Error("the process is not gone")
			}
			t.Log(err)
		})
	}
}

func TestPrepareErrors(t *testing.T) {
	tests := map[string]struct {
		change func(*Command)
		want   string
	}{
		"no command": {func(c *Command) { c.Argv = nil }, "release.command"},
		"no folder":  {func(c *Command) { c.Dir += "/no" }, "working directory"},
		"no log":     {func(c *Command) { c.LogFile = "/proc/nolog/x" }, "log"},
		"zero byte":  {func(c *Command) { c.Env = append(c.Env, "A=secret\x00") }, "zero byte"},
		"no binary":  {nil, "start gate"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := engine(t)
			c := command(t, "true")
			if tt.change != nil {
				tt.change(&c)
			} else {
				e.Self = "/no/segue"
			}
			_, err := e.Prepare(t.Context(), c)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Error(err)
			}
		})
	}
}

func FuzzReadOrder(f *testing.F) {
	whole, _ := order{Dir: "/", Argv: []string{"a", "b"}, Env: []string{"A=1"}}.encode()
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := readOrder(strings.NewReader(string(b)))
		if err == nil && len(o.Argv) == 0 {
			t.Error("an order without a command")
		}
	})
}

// BenchmarkStart is the cost of a start through the gate, up to the exec.
func BenchmarkStart(b *testing.B) {
	e := new(Engine)
	dir := b.TempDir()
	for b.Loop() {
		p, err := e.Prepare(b.Context(), Command{ID: "x", Argv: []string{"/bin/true"}, Dir: dir, LogFile: dir + "/log"})
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Release(b.Context()); err != nil {
			b.Fatal(err)
		}
		<-p.Done()
	}
}

// BenchmarkPlainStart is the same without a gate, for comparison.
func BenchmarkPlainStart(b *testing.B) {
	for b.Loop() {
		if err := exec.Command("/bin/true").Run(); err != nil {
			b.Fatal(err)
		}
	}
}
