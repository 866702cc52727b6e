package check

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A running fixture, started by the test and not by the check.
func running(t *testing.T, faults ...string) (Target, *exec.Cmd) {
	t.Helper()
	target := fixtureTarget(faults...)
	p, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), append(target.Env, fmt.Sprintf("PORT=%d", p.number))...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		p.release()
	})
	target.Command, target.Env, target.PID = nil, nil, cmd.Process.Pid
	target.URL = fmt.Sprintf("http://127.0.0.1:%d/", p.number)
	return target, cmd
}

// A process is stopped once, and all cases that fit one stop are held on it.
func TestProcessThatRuns(t *testing.T) {
	t.Parallel()
	target, cmd := running(t)
	target.Paths.Slow = "/slower" // all cases are on their way at the one signal
	r := verdicts(t, target)
	if !r.Passed() || r.Class != ClassOneMore {
		t.Errorf("class %q, %s", r.Class, r.Summary())
	}
	for name, want := range map[string]Verdict{
		"signal-reaches": Pass, "signal-as-pid-1": Pass, "in-flight-slow": Pass, "used-after-signal": Pass, "exit-kept-alive": Pass,
		"children": Pass, "port-free": Pass,
		"exit-idle": Skip, "exit-busy": Skip, "second-signal": Skip, "signal-at-start": Skip, "socket-activation": Skip,
	} {
		if c, _ := r.Of(name); c.Verdict != want {
			t.Errorf("%s: %s (%s), want %s", name, c.Verdict, c.Observed, want)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the server ended by itself, once: %v", err)
	}
}

// Nobody but the caller ends a server that was there before.
func TestProcessThatRunsIsNotKilled(t *testing.T) {
	t.Parallel()
	target, cmd := running(t)
	target.Signal = syscall.SIGURG // which a Go program has no use for
	r := verdicts(t, target, "exit-idle")
	if c, _ := r.Of("exit-idle"); c.Outcome != outcomeNeverExits {
		t.Errorf("%s (%s)", c.Verdict, c.Outcome)
	}
	if err := cmd.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the server is gone: %v", err)
	}
}

// supervised is the fixture elsewhere: under somebody who brings it back this
// many times, and stopped by a command.
func supervised(t *testing.T, lives int, faults ...string) Target {
	t.Helper()
	target := fixtureTarget(faults...)
	p, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	pidfile := filepath.Join(t.TempDir(), "pid")
	script := fmt.Sprintf(`for life in $(seq %d); do "$0" & echo $! >%s; wait $!; done`, lives, pidfile)
	cmd := exec.Command("/bin/sh", "-c", script, os.Args[0])
	cmd.Env = append(os.Environ(), append(target.Env, fmt.Sprintf("PORT=%d", p.number))...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		p.release()
	})
	target.Command, target.Env = nil, nil
	target.URL = fmt.Sprintf("http://127.0.0.1:%d/", p.number)
	target.Stop = []string{"/bin/sh", "-c", `kill -TERM "$(cat "$0")"`, pidfile}
	target.Start = 10 * time.Second
	return target
}

// A server elsewhere is stopped by the command, once for each stage, and waited
// for between: no stage is held on one that was told to stop before.
func TestServerElsewhere(t *testing.T) {
	t.Parallel()
	names := []string{"in-flight-slow", "used-after-signal", "used-after-busy", "exit-idle", "port-free"}
	r := verdicts(t, supervised(t, 100), names...)
	for name, want := range map[string]Verdict{"in-flight-slow": Pass, "used-after-signal": Pass, "used-after-busy": Pass, "exit-idle": Skip, "port-free": Skip} {
		if c, _ := r.Of(name); c.Verdict != want {
			t.Errorf("%s: %s (%s), want %s", name, c.Verdict, c.Observed, want)
		}
	}
	if r.Class != ClassOneMore || !r.Passed() {
		t.Errorf("class %q, passed %v", r.Class, r.Passed())
	}
}

// The faults of a server elsewhere are seen.
func TestServerElsewhereWithFault(t *testing.T) {
	t.Parallel()
	r := verdicts(t, supervised(t, 100, "class-imperfect"), "in-flight-slow", "used-after-signal")
	if c, _ := r.Of("used-after-signal"); c.Outcome != outcomeRefusedClose {
		t.Errorf("%s (%s)", c.Verdict, c.Outcome)
	}
}

// A stop command does its work when it comes to it. What clients do soon after the
// signal, they do when it may have come.
func TestStopCommandThatTakesItsTime(t *testing.T) {
	t.Parallel()
	target := supervised(t, 100, "cuts-half-headers-fresh", "refuses-new")
	target.Stop[2] = "sleep 0.5; " + target.Stop[2]
	target.Paths = Paths{}
	r := verdicts(t, target, "half-headers", "new-connection")
	if c, _ := r.Of("half-headers"); c.Verdict != Fail || c.Outcome != outcomeCut {
		t.Errorf("half-headers: %s (%s), want %s (%s)", c.Verdict, c.Outcome, Fail, outcomeCut)
	}
	// Refused, or, if it was opened in the very moment, reset with the listener.
	if c, _ := r.Of("new-connection"); c.Outcome != outcomeNotOpened && c.Outcome != outcomeCut {
		t.Errorf("new-connection: %s (%s), want %s", c.Verdict, c.Outcome, outcomeNotOpened)
	}
}

// One that does not come back costs what was not yet tried, and not the report.
func TestServerThatDoesNotComeBack(t *testing.T) {
	t.Parallel()
	target := supervised(t, 1)
	target.Start = time.Second
	r := verdicts(t, target, "in-flight-slow", "used-after-signal", "used-after-busy")
	if c, _ := r.Of("in-flight-slow"); c.Verdict != Pass {
		t.Errorf("in-flight-slow: %s: %s", c.Verdict, c.Observed)
	}
	if c, _ := r.Of("used-after-busy"); c.Verdict != Skip || !strings.Contains(c.Observed, "could not be had again") {
		t.Errorf("used-after-busy: %s: %s", c.Verdict, c.Observed)
	}
	if r.Unfinished == "" || r.Passed() {
		t.Errorf("unfinished %q, passed %v: something was not tried", r.Unfinished, r.Passed())
	}
}

// A stop command that fails stops nothing: there is nothing to report.
func TestStopThatFails(t *testing.T) {
	t.Parallel()
	target := supervised(t, 100)
	target.Stop = []string{"/bin/sh", "-c", "echo no such pod >&2; exit 3"}
	_, err := Run(t.Context(), target, Only("in-flight-slow", "used-after-signal"))
	if err == nil || !strings.Contains(err.Error(), "no such pod") {
		t.Errorf("error %v, want the command's own words", err)
	}
}

// Whoever is asked to check and is killed leaves no server running.
func TestNothingIsLeftRunning(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*exec.Cmd){
		"killed":      func(cmd *exec.Cmd) { _ = cmd.Process.Kill() },
		"interrupted": func(cmd *exec.Cmd) { _ = cmd.Process.Signal(os.Interrupt) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pids := filepath.Join(t.TempDir(), "pids")
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), checkerVariable+"="+pids)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			servers := awaitPids(t, pids)
			for _, pid := range servers {
				if p, err := readProc(pid); err != nil || !p.alive() {
					t.Fatalf("process %d is not there: nothing is proved", pid)
				}
			}
			end(cmd)
			_ = cmd.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			for _, pid := range servers {
				awaitEnd(ctx, t, pid)
			}
		})
	}
}

// checkerVariable makes the test binary one that checks: a server with a child
// in a session of its own, whose numbers are written to the file.
const checkerVariable = "SEGUE_CHECK_CHECKER"

func serveChecker(file string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	target := fixtureTarget("leaves-child")
	target.Env = append(target.Env, "FIXTURE_PIDS="+file)
	target.Grace = time.Minute
	target.Paths.Slow = "/slower" // so that it is certain not to be over before it is ended
	_, err := Run(ctx, target)
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func awaitPids(t *testing.T, file string) []int {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); pause(t.Context(), 10*time.Millisecond) {
		b, _ := os.ReadFile(file)
		words := strings.Fields(string(b))
		if len(words) != 2 {
			continue
		}
		var pids []int
		for _, w := range words {
			pid, err := strconv.Atoi(w)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
		return pids
	}
	t.Fatal("the server did not start")
	return nil
}

func awaitEnd(ctx context.Context, t *testing.T, pid int) {
	t.Helper()
	for {
		p, err := readProc(pid)
		if err != nil || !p.alive() {
			return
		}
		if ctx.Err() != nil {
			t.Errorf("process %d is still there", pid)
			_ = syscall.Kill(pid, syscall.SIGKILL)
			return
		}
		pause(ctx, 10*time.Millisecond)
	}
}
