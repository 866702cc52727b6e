package process

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestAgentKilledBeforeReleaseLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	a := runAgent(t, "agent", "closed", dir, "touch", "mark")
	pid, born := a.told(t)
	if !alive(pid) {
		t.Fatal("no shim")
	}
	a.kill9()
	gone(t, pid)
	if _, err := os.Stat(filepath.Join(dir, "mark")); err == nil {
		t.Error("it ran")
	}
	if _, err := engine(t).Adopt(pid, born); !errors.Is(err, ErrGone) {
		t.Error(err)
	}
}

// helperChurn starts instances as fast as it can, recording each before it
// releases it, as an agent does.
func helperChurn(args []string) {
	e := new(Engine)
	journal := must(os.OpenFile(filepath.Join(args[0], "journal"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600))
	for {
		p := must(e.Prepare(context.Background(), helperCommand(args[0], []string{"sh", "-c", "echo $$ >> ran; exec cat fifo"})))
		must(fmt.Fprintln(journal, p.PID(), p.Born()))
		fmt.Println("recorded")
		must(0, p.Release(context.Background()))
		fmt.Println("released")
	}
}

func TestAgentKilledAtAnyInstantLeavesNoUnknownCopy(t *testing.T) {
	for range 12 {
		dir := t.TempDir()
		if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
			t.Fatal(err)
		}
		a := runAgent(t, "churn", dir)
		for range rand.IntN(9) {
			a.line(t)
		}
		a.kill9()
		known := make(map[string]bool)
		e := engine(t)
		for _, line := range strings.Split(strings.TrimSpace(contents(t, filepath.Join(dir, "journal"))), "\n") {
			var pid int
			var born uint64
			if line == "" {
				continue
			}
			if _, err := fmt.Sscan(line, &pid, &born); err != nil {
				t.Fatal(err)
			}
			p, err := e.Adopt(pid, born)
			if err == nil {
				known[strconv.Itoa(pid)] = true
				stop(t, p)
			} else if !errors.Is(err, ErrGone) {
				t.Error(err)
			}
		}
		for _, pid := range strings.Fields(contents(t, filepath.Join(dir, "ran"))) {
			if !known[pid] {
				t.Errorf("pid %s ran and nobody knows of it", pid)
			}
		}
	}
}

func TestAdoptAfterAgentDeath(t *testing.T) {
	dir := t.TempDir()
	a := runAgent(t, "agent", "open", dir, "sh", "-c", `trap "exit 5" TERM; echo up; while :; do sleep 1000 & wait $!; done`)
	pid, born := a.told(t)
	log := filepath.Join(dir, "log")
	eventually(t, "it is up", func() bool { return contents(t, log) == "up\n" })
	a.kill9()
	if !alive(pid) {
		t.Fatal("the instance died with its agent")
	}
	e := engine(t)
	p, err := e.Adopt(pid, born)
	if err != nil {
		t.Fatal(err)
	}
	if p.PID() != pid || p.Born() != born {
		t.Error("another process")
	}
	x, err := p.Stop(t.Context(), "TERM", patience)
	if err != nil {
		t.Fatal(err)
	}
	if !x.Known || x.Code != 5 {
		t.Error(x)
	}
}

func TestReusedPidIsNotAdopted(t *testing.T) {
	e := engine(t)
	p := start(t, e, command(t, "sleep", "1000"))
	for name, born := range map[string]uint64{
		"older":        p.Born() - 1,
		"newer":        p.Born() + 1,
		"another boot": p.Born() ^ 1<<tickBits,
	} {
		if _, err := new(Engine).Adopt(p.PID(), born); !errors.Is(err, ErrGone) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !alive(p.PID()) {
		t.Error("it was ended by mistake")
	}
	stop(t, p)
	if _, err := e.Adopt(p.PID(), p.Born()); !errors.Is(err, ErrGone) {
		t.Error(err)
	}
	if _, err := e.Adopt(0, p.Born()); !errors.Is(err, ErrGone) {
		t.Error(err)
	}
}

func TestOrphansOfADeadLeaderAreEnded(t *testing.T) {
	dir := t.TempDir()
	a := runAgent(t, "agent", "open", dir, "sh", "-c", "sleep 1000 & echo $!; exec sleep 1000")
	pid, born := a.told(t)
	log := filepath.Join(dir, "log")
	eventually(t, "it is up", func() bool { return strings.HasSuffix(contents(t, log), "\n") })
	child, err := strconv.Atoi(strings.TrimSpace(contents(t, log)))
	if err != nil {
		t.Fatal(err)
	}
	a.kill9()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	gone(t, pid)
	if !alive(child) {
		t.Fatal("the child is not an orphan")
	}
	if _, err := engine(t).Adopt(pid, born); !errors.Is(err, ErrGone) {
		t.Error(err)
	}
	if alive(child) {
		t.Error("the orphan lives on")
	}
}

// helperReexec starts two instances and becomes a new agent in its own place.
func helperReexec(args []string) {
	e := new(Engine)
	argv := []string{self(), "helper", "again"}
	for _, script := range []string{"read x < fifo; exit 6", "read x < fifo2; exit 4"} {
		p := must(e.Prepare(context.Background(), helperCommand(args[0], []string{"sh", "-c", script})))
		argv = append(argv, strconv.Itoa(p.PID()), strconv.FormatUint(p.Born(), 10))
		must(0, p.Release(context.Background()))
	}
	e.Leave()
	must(0, os.WriteFile(filepath.Join(args[0], "fifo2"), []byte("go\n"), 0)) // the second ends unwatched
	for pid := must(strconv.Atoi(argv[5])); !must(readStat(pid)).ended(); {
		runtime.Gosched()
	}
	must(0, syscall.Exec(argv[0], argv, os.Environ()))
}

func helperAgain(args []string) {
	e := new(Engine)
	adopt := func(i int) (*Process, error) {
		return e.Adopt(must(strconv.Atoi(args[i])), must(strconv.ParseUint(args[i+1], 10, 64)))
	}
	_, err := adopt(2)
	fmt.Println(errors.Is(err, ErrGone), err)
	p := must(adopt(0))
	fmt.Println("adopted")
	<-p.Done()
	fmt.Println(p.Exit())
	_, err = readStat(p.PID())
	fmt.Println("reaped", err != nil)
}

func TestChildrenAreReapedAfterReexec(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	for _, name := range []string{fifo, fifo + "2"} {
		if err := syscall.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := runAgent(t, "reexec", dir)
	if got := a.line(t); !strings.HasPrefix(got, "true") || !strings.HasSuffix(got, "exit status 4") {
		t.Error(got)
	}
	if got := a.line(t); got != "adopted" {
		t.Fatal(got)
	}
	if err := os.WriteFile(fifo, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	if got := a.line(t); got != "exit status 6" {
		t.Error(got)
	}
	if got := a.line(t); got != "reaped true" {
		t.Error(got)
	}
}

func TestLeave(t *testing.T) {
	e := new(Engine)
	p := start(t, e, command(t, "sleep", "1000"))
	closed, err := e.Prepare(t.Context(), command(t, "true"))
	if err != nil {
		t.Fatal(err)
	}
	e.Leave()
	if !alive(p.PID()) {
		t.Fatal("it did not live on")
	}
	select {
	case <-p.Done():
		t.Error("done is closed")
	default:
	}
	gone(t, closed.PID())
	again, err := engine(t).Adopt(p.PID(), p.Born())
	if err != nil {
		t.Fatal(err)
	}
	if x := stop(t, again); x.Signal != syscall.SIGTERM && x.Signal != syscall.SIGKILL {
		t.Error(x)
	}
	_, _ = syscall.Wait4(closed.PID(), nil, 0, nil)
}

func TestParseStat(t *testing.T) {
	b := []byte("42 (a ) (b)) Z 1 42 43 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0\n")
	if s, err := parseStat(b); err != nil || s != (stat{42, 'Z', 42, 43, 777, 0}) {
		t.Error(s, err)
	}
	for _, bad := range []string{"", "42 a", ")(", "42 (x) S 1 2"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
