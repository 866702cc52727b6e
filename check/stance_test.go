package check

import (
	"bufio"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// idleVariable makes the test binary a program that wants no signal.
const idleVariable = "SEGUE_CHECK_IDLE"

// What is said of a process as PID 1 is what the kernel does: a signal without a
// handler is thrown away there, and one that is blocked, to be fetched, is not.
func TestPID1GetsWhatItHandles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		command []string // writes a line when it is as it will be
		handles bool
	}{
		"a shell without a trap": {[]string{"/bin/sh", "-c", "echo; read -r never"}, false},
		"a shell with a trap":    {[]string{"/bin/sh", "-c", "trap 'exit 0' TERM; echo; while :; do sleep 0.05; done"}, true},
		"Go's runtime":           {[]string{os.Args[0]}, true}, // which ends a program that wants no signal
		"a signal fetched":       {[]string{"/usr/bin/env", "python3", "-c", "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [15]); print(flush=True); signal.sigwait([15])"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath("python3"); err != nil && name == "a signal fetched" {
				t.Skip(err)
			}
			cmd := exec.Command(test.command[0], test.command[1:]...)
			cmd.Env = append(os.Environ(), idleVariable+"=1")
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
			never, keep, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer keep.Close()
			defer never.Close()
			cmd.Stdin = never
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Skipf("no PID namespace can be made here: %v", err)
			}
			defer cmd.Wait()
			defer cmd.Process.Kill()
			if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			pid := cmd.Process.Pid
			st := stanceOf(&process{pid: pid, known: map[int]proc{}, strangers: map[int]proc{}}, syscall.SIGTERM, 1)
			if st.handles != test.handles {
				t.Errorf("handles %v, want %v", st.handles, test.handles)
			}
			if !firstOfNamespace(pid) {
				t.Error("it is not seen to be PID 1")
			}
			if got := survivesTerm(t, cmd, !st.handles); got == st.handles {
				t.Errorf("handles %v, and the kernel lets it live: %v", st.handles, got)
			}
		})
	}
}

// survivesTerm reports whether the process has to be killed after SIGTERM. One
// that is thought to be deaf is killed at once: if SIGTERM ended it all the same,
// that came first, and is what its status says.
func survivesTerm(t *testing.T, cmd *exec.Cmd, deaf bool) bool {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if deaf {
		_ = cmd.Process.Kill()
	}
	killed := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer killed.Stop()
	_ = cmd.Wait()
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return status.Signaled() && status.Signal() == syscall.SIGKILL
}

func TestJudgesPID1(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		st   stance
		pid1 bool
		want Verdict
	}{
		{stance{handles: true}, false, Pass},
		{stance{handles: true}, true, Pass},
		{stance{}, false, Warn}, // nobody knows how it is started elsewhere
		{stance{}, true, Fail},
	} {
		if r, _ := judgePID1(test.st, "SIGTERM", test.pid1); r.Verdict != test.want {
			t.Errorf("%+v, PID 1 %v: %s, want %s", test.st, test.pid1, r.Verdict, test.want)
		}
	}
}
