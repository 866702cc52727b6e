package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pidsIn reads the pids that a script has printed, once there are n.
func pidsIn(t *testing.T, log string, n int) []int {
	t.Helper()
	var f []string
	eventually(t, "its children are up", func() bool {
		f = strings.Fields(contents(t, log))
		return len(f) >= n
	})
	var pids []int
	for _, s := range f {
		pid, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

const stubborn = `trap "" TERM HUP INT; echo $$; while :; do sleep 1000; done`

func TestStopIsHeardByTheLeaderOnly(t *testing.T) {
	e := engine(t)
	c := command(t, "sh", "-c", `sh -c 'trap "echo heard" TERM; echo $$; while :; do sleep 0.01; done' & trap "exit 3" TERM; echo $$; wait`)
	p := start(t, e, c)
	pids := pidsIn(t, c.LogFile, 2)
	x, err := p.Stop(t.Context(), "SIGTERM", patience)
	if err != nil || x.Code != 3 || x.Signal != 0 || x.String() != "exit status 3" {
		t.Error(x, err)
	}
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("pid %d is left", pid)
		}
	}
	if strings.Contains(contents(t, c.LogFile), "heard") {
		t.Error("the child got the signal too")
	}
}

// helperApart leaves the process group, but not the session, and hears nothing.
func helperApart([]string) {
	must(0, syscall.Setpgid(0, 0))
	signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
	fmt.Println(os.Getpid())
	for {
		_ = unix.Pause()
	}
}

func TestGrandchildrenThatIgnoreTheSignalAreKilled(t *testing.T) {
	e := engine(t)
	// One below a child, one in a process group of its own.
	c := command(t, "sh", "-c", `(sh -c '`+stubborn+`' & wait) & `+self()+` helper apart & `+stubborn)
	p := start(t, e, c)
	pids := pidsIn(t, c.LogFile, 3)
	x, err := p.Stop(t.Context(), "TERM", time.Millisecond)
	if err != nil || x.Signal != syscall.SIGKILL || !strings.Contains(x.String(), "by Segue") {
		t.Error(x, err)
	}
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("pid %d is left", pid)
		}
	}
}

func TestChildThatLeavesTheSessionIsEnded(t *testing.T) {
	e := engine(t)
	c := command(t, "sh", "-c", `setsid sh -c '`+stubborn+`' & trap "exit 0" TERM; wait; wait`)
	p := start(t, e, c)
	pids := pidsIn(t, c.LogFile, 1)
	if x, err := p.Stop(t.Context(), "TERM", patience); err != nil || !x.OK() {
		t.Error(x, err)
	}
	if alive(pids[0]) {
		t.Error("the daemon is left")
	}
}

func TestChildrenOfACrashedLeaderAreEnded(t *testing.T) {
	e := engine(t)
	c := command(t, "sh", "-c", `sh -c '`+stubborn+`' & read x < fifo; kill -SEGV $$`)
	fifo := filepath.Join(c.Dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, e, c)
	pids := pidsIn(t, c.LogFile, 1)
	if err := os.WriteFile(fifo, []byte("\n"), 0); err != nil {
		t.Fatal(err)
	}
	wait(t, p.Done())
	if p.Exit().Signal != syscall.SIGSEGV || !strings.HasPrefix(p.Exit().String(), "killed by SIGSEGV") {
		t.Error(p.Exit())
	}
	if alive(pids[0]) {
		t.Error("its child is left")
	}
}

func TestPortIsFreeAfterStop(t *testing.T) {
	python := "/usr/bin/python3"
	if _, err := os.Stat(python); err != nil {
		t.Fatal("python3 is needed; scripts/need python3 installs it")
	}
	port, err := new(Ports).Pick(func(int) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	addr := "127.0.0.1:" + strconv.Itoa(port)
	e := engine(t)
	// The child holds the port, the leader only waits.
	c := command(t, "sh", "-c", `trap "exit 0" TERM; python3 -c 'import socket,signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
s=socket.create_server(("127.0.0.1",$PORT)); print(1,flush=True); s.accept(); signal.pause()' & wait; wait`)
	c.Env = append(c.Env, "PORT="+strconv.Itoa(port))
	p := start(t, e, c)
	pidsIn(t, c.LogFile, 1)
	if _, err := p.Stop(t.Context(), "TERM", patience); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestStopOfAFrozenProcess(t *testing.T) {
	e := engine(t)
	c := command(t, "sh", "-c", `trap "exit 9" TERM; echo 1; kill -STOP $$; while :; do sleep 0.01; done`)
	p := start(t, e, c)
	pidsIn(t, c.LogFile, 1)
	eventually(t, "it is frozen", func() bool { s, err := readStat(p.PID()); return err == nil && s.state == 'T' })
	if x, err := p.Stop(t.Context(), "TERM", patience); err != nil || x.Code != 9 {
		t.Error(x, err)
	}
}

func TestStopIsIdempotent(t *testing.T) {
	e := engine(t)
	c := command(t, "sh", "-c", `n=0; trap 'n=$((n+1))' TERM; trap 'exit $n' USR1; echo 1; while :; do sleep 0.01; done`)
	p := start(t, e, c)
	pidsIn(t, c.LogFile, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		if _, err := p.Stop(ctx, "TERM", patience); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if x, err := p.Stop(t.Context(), "USR1", patience); err != nil || x.Code > 1 {
				t.Error(x, err)
			}
		})
	}
	all.Wait()
	if x, err := p.Stop(t.Context(), "KILL", 0); err != nil || !x.Known {
		t.Error(x, err)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if _, err := p.Stop(t.Context(), "NONSENSE", 0); err == nil || !strings.Contains(err.Error(), "TERM") {
		t.Error(err)
	}
}

func TestInstanceThatForksAndExits(t *testing.T) {
	e := engine(t)
	c := command(t, "sh", "-c", `sh -c '`+stubborn+`' & exit 0`)
	p := start(t, e, c)
	wait(t, p.Done())
	if !p.Exit().OK() || p.Exit().At.IsZero() {
		t.Error(p.Exit())
	}
	for _, f := range strings.Fields(contents(t, c.LogFile)) {
		if pid, _ := strconv.Atoi(f); alive(pid) {
			t.Error("its child is left")
		}
	}
}

func TestExitInWords(t *testing.T) {
	now := time.Now()
	for want, x := range map[string]Exit{
		"still running":                   {},
		"exit status 3":                   {Known: true, Code: 3, At: now},
		"ended, exit status not known":    {At: now},
		"killed by SIGTERM":               {Known: true, Signal: syscall.SIGTERM, At: now},
		"killed by SIGABRT (core dumped)": {Known: true, Signal: syscall.SIGABRT, Core: true, At: now},
		"killed by SIGKILL (out of memory: it reached its limit)":   {Known: true, Signal: syscall.SIGKILL, OOM: true, At: now},
		"exit status 137 (a shell's way to say: killed by SIGKILL)": {Known: true, Code: 137, At: now},
	} {
		if x.String() != want {
			t.Errorf("got %q, want %q", x, want)
		}
	}
}

func TestParseSignal(t *testing.T) {
	for _, s := range []string{"TERM", "SIGTERM", "term", "15", " Term "} {
		if got, err := ParseSignal(s); err != nil || got != syscall.SIGTERM {
			t.Error(s, got, err)
		}
	}
	for _, s := range []string{"", "0", "65", "-1", "SIG", "TERMINATE"} {
		if got, err := ParseSignal(s); err == nil {
			t.Error(s, got)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	e := engine(t)
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			p, err := e.Prepare(t.Context(), command(t, "sh", "-c", stubborn))
			if err != nil {
				t.Error(err)
				return
			}
			if err := p.Release(t.Context()); err != nil {
				t.Error(err)
			}
			if x, err := p.Stop(t.Context(), "TERM", 0); err != nil || x.Signal == 0 {
				t.Error(x, err)
			}
		})
	}
	all.Wait()
}
