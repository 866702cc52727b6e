package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds waits for events that must come; it is never waited out.
const patience = 60 * time.Second

// TestMain makes the test binary what segue is (the gate), and the helper
// programs that the tests run.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == shimArg {
		os.Exit(Shim())
	}
	if len(os.Args) > 2 && os.Args[1] == "helper" {
		helpers[os.Args[2]](os.Args[3:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var helpers = map[string]func([]string){
	"agent":  helperAgent,
	"churn":  helperChurn,
	"reexec": helperReexec,
	"again":  helperAgain,
	"facts":  helperFacts,
	"apart":  helperApart,
	"burn":   helperBurn,
	"lines":  helperLines,
	"rotate": helperRotate,
	"eat":    helperEat,
}

func self() string {
	p, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return p
}

// command is one that logs into a temporary folder, which is its directory.
func command(t *testing.T, argv ...string) Command {
	t.Helper()
	dir := t.TempDir()
	return Command{
		ID: "shop-1-1", Argv: argv, Dir: dir,
		Env:     Environ(os.Environ(), nil, 0, "shop", "1", "shop-1-1"),
		LogFile: filepath.Join(dir, "log"),
	}
}

func engine(t *testing.T) *Engine {
	e := new(Engine)
	t.Cleanup(func() {
		e.mu.Lock()
		left := 0
		for p := range e.live {
			select {
			case <-p.Done():
			default:
				left++
				p.kill()
			}
		}
		e.mu.Unlock()
		e.Wait()
		if left > 0 && !t.Failed() {
			t.Errorf("%d processes were not stopped", left)
		}
	})
	return e
}

func start(t *testing.T, e *Engine, c Command) *Process {
	t.Helper()
	p, err := e.Prepare(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func wait(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
}

func stop(t *testing.T, p *Process) Exit {
	t.Helper()
	x, err := p.Stop(context.Background(), "TERM", 0)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// eventually waits for what has no event of its own, by asking again.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func contents(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(b)
}

// gone waits until a process that is not our child has ended.
func gone(t *testing.T, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if !pollFD(fd, unix.POLLIN, patience) {
		t.Fatalf("pid %d does not end", pid)
	}
}

func alive(pid int) bool {
	s, err := readStat(pid)
	return err == nil && !s.ended()
}

// An agent is a helper process that a test talks to and kills.
type agent struct {
	*exec.Cmd
	out *bufio.Scanner
}

func runAgent(t *testing.T, args ...string) *agent {
	t.Helper()
	cmd := exec.Command(self(), append([]string{"helper"}, args...)...)
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil { // its end tells a helper that the test is over
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a := &agent{cmd, bufio.NewScanner(out)}
	t.Cleanup(a.kill9)
	return a
}

func (a *agent) kill9() {
	_ = a.Process.Signal(syscall.SIGKILL)
	_ = a.Wait()
}

func (a *agent) line(t *testing.T) string {
	t.Helper()
	if !a.out.Scan() {
		t.Fatal("the helper ended: ", a.out.Err())
	}
	return a.out.Text()
}

// told reads a line with a pid and a birth.
func (a *agent) told(t *testing.T) (pid int, born uint64) {
	t.Helper()
	line := a.line(t)
	if _, err := fmt.Sscan(line, &pid, &born); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return pid, born
}

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return v
}

func helperCommand(dir string, argv []string) Command {
	return Command{
		ID: "helper", Argv: argv, Dir: dir, LogFile: filepath.Join(dir, "log"),
		Env: Environ(os.Environ(), nil, 0, "shop", "1", "helper"),
	}
}

// helperAgent starts DIR COMMAND…, leaving the gate closed if told so, tells
// the pid and waits to be killed.
func helperAgent(args []string) {
	e := new(Engine)
	p := must(e.Prepare(context.Background(), helperCommand(args[1], args[2:])))
	if args[0] == "open" {
		must(0, p.Release(context.Background()))
	}
	fmt.Println(p.PID(), p.Born())
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// helperFacts prints what a program finds when it starts, but for what the Go
// runtime has opened itself.
func helperFacts([]string) {
	links := []string{}
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && !strings.Contains(to, "anon_inode") && !strings.HasPrefix(to, "/sys/fs/cgroup") {
			links = append(links, fd.Name()+"="+to)
		}
	}
	fmt.Println("fds", strings.Join(links, " "))
	fmt.Printf("umask %03o\n", unix.Umask(0))
	fmt.Println("env", strings.Join(os.Environ(), " "))
	s := must(readStat(os.Getpid()))
	fmt.Println("leader", s.pid == s.session && s.pid == s.group)
	fmt.Println("listen_pid", os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()))
}
