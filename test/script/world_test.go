package script

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// test is the part of *testing.T that testscript's own interface leaves out.
type test interface {
	testscript.T
	Failed() bool
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
}

// A world is what a script has beside its folder.
type world struct {
	t       test
	dir     string // $WORK
	pending pending
	taken   net.Listener
}

type worldKeyType struct{}

var worldKey worldKeyType

func worldOf(ts *testscript.TestScript) *world { return ts.Value(worldKey).(*world) }

// close looks for what the script has left running. A script that failed half
// way gets its agents ended first, by the road that users have.
func (w *world) close() {
	if w.t.Failed() {
		w.end()
	} else {
		for deadline := time.Now().Add(time.Minute); len(processes(w.dir)) > 0 && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond) // an instance that was killed is reaped by init
		}
	}
	for _, p := range processes(w.dir) {
		w.t.Errorf("left running: %d %s", p.pid, p.args)
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
	w.logs()
}

func (w *world) end() {
	for _, p := range processes(w.dir) { // what would go on deploying meanwhile
		if strings.Contains(p.args, " deploy") {
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
	}
	sockets, _ := filepath.Glob(filepath.Join(w.dir, "*", "agent.sock")) // fails only for a bad pattern
	for _, socket := range sockets {
		cmd := exec.Command("timeout", "60", "segue", "--state", filepath.Dir(socket), "down", "--all", "--agent", "--wait")
		for _, p := range processes(w.dir) {
			if exe, err := os.Readlink("/proc/" + strconv.Itoa(p.pid) + "/exe"); err == nil && filepath.Base(exe) == "segue" {
				cmd.Args[2] = exe
			}
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			w.t.Logf("end the agent in %s: %v\n%s", socket, err, out)
		}
	}
}

// logs shows the agents' logs of a script that failed, and fails one in whose
// logs the race detector or a panic has spoken.
func (w *world) logs() {
	for _, pattern := range []string{"*/logs/agent.log", "*/logs/proxy.log", "*.log"} {
		names, _ := filepath.Glob(filepath.Join(w.dir, pattern)) // fails only for a bad pattern
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				continue
			}
			for _, sign := range []string{"WARNING: DATA RACE", "panic: ", "fatal error: "} {
				if at := strings.Index(string(data), sign); at >= 0 {
					w.t.Errorf("%s:\n%s", name, data[at:min(len(data), at+8000)])
				}
			}
			if w.t.Failed() {
				w.t.Logf("%s:\n%s", name, data[max(0, len(data)-8000):])
			}
		}
	}
}

// A running process.
type running struct {
	pid  int
	args string
}

// processes lists those that have to do with a folder: they work in it, or its
// path is among their arguments or in their environment. "" lists all.
func processes(dir string) []running {
	var found []running
	names, _ := filepath.Glob("/proc/[0-9]*") // fails only for a bad pattern
	for _, name := range names {
		pid, _ := strconv.Atoi(filepath.Base(name))
		args, err := os.ReadFile(filepath.Join(name, "cmdline"))
		if err != nil || len(args) == 0 || pid == os.Getpid() {
			continue // gone, or a zombie
		}
		cwd, _ := os.Readlink(filepath.Join(name, "cwd"))     // "" when it has gone
		env, _ := os.ReadFile(filepath.Join(name, "environ")) // likewise
		if strings.Contains(cwd+"/\x00"+string(args)+string(env), dir+"/") {
			found = append(found, running{pid, strings.ReplaceAll(string(args), "\x00", " ")})
		}
	}
	return found
}
