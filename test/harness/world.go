package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/control"
)

// A World is one state folder, one project, and whatever runs for them.
type World struct {
	T     testing.TB
	Bin   string // segue
	Dir   string // the project's folder, with segue.yaml
	State string
	Port  int      // where the service listens
	Env   []string // added to that of its segue commands
	agent *Agent

	clockAddr string // SEGUE_TEST_CLOCK of its agents; "" the machine's
}

// New makes a world with the race-detecting binary.
func New(t testing.TB) *World { return NewWith(t, Segue(t)) }

// NewWith makes a world with the given binary.
func NewWith(t testing.TB, bin string) *World {
	t.Helper()
	top := t.TempDir()
	w := &World{T: t, Bin: bin, Dir: filepath.Join(top, "project"), State: filepath.Join(top, "state"), Port: FreePort(t)}
	if err := os.MkdirAll(filepath.Join(w.Dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.Copy(Service(t), "bin/service")
	t.Cleanup(w.Close)
	return w
}

// FreePort finds a loopback port that nobody listens on, and keeps other tests
// from it until this one has ended: packages run side by side, and a service may
// listen late. It is below the ephemeral range, so that no outgoing connection can
// take it meanwhile.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 10000 + rand.IntN(9000)
		mine, err := net.Listen("unix", fmt.Sprint("@segue-test-port-", port)) // an abstract name: gone with the process
		if err != nil {
			continue
		}
		t.Cleanup(func() { mine.Close() })
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// Copy copies a file into the project.
func (w *World) Copy(from, to string) {
	w.T.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		w.T.Fatal(err)
	}
	w.Write(to, string(data))
}

// Write writes a file of the project, executable.
func (w *World) Write(name, text string) {
	w.T.Helper()
	path := filepath.Join(w.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.T.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		w.T.Fatal(err)
	}
}

// Web writes a segue.yaml for the test service, which listens. env is YAML
// flow, "A: 1, B: 2"; more is further lines at the top level, in place of the
// harness' own.
func (w *World) Web(replicas int, env, more string) {
	w.T.Helper()
	if !strings.Contains(more, "strategy:") {
		more += "\nstrategy: { surge: 1 }"
	}
	if !strings.Contains(more, "probes:") {
		more += "\n" + Probes(50*time.Millisecond, env, 40)
	}
	w.Write("segue.yaml", fmt.Sprintf("service: web\nlisten: 127.0.0.1:%d\nrelease: { files: [bin], command: bin/service }\nreplicas: %d\nenv: { %s }\n%s\n",
		w.Port, replicas, env, more))
}

// Probes is the key of that name, for the test service with such an environment.
// One that never gets ready (BROKEN) is asked so many times whether it has started;
// any other has a minute for it, since these machines stand still for seconds at times.
func Probes(every time.Duration, env string, broken int) string {
	if !strings.Contains(env, "BROKEN") {
		broken = int(time.Minute / every)
	}
	return fmt.Sprintf("probes: { startup: { http: /health, every: %s, failures: %d }, readiness: { http: /health } }", every, broken)
}

// URL is where the service listens.
func (w *World) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", w.Port) }

// Client asks the agent.
func (w *World) Client() *control.Client {
	return control.NewClient(filepath.Join(w.State, "agent.sock"))
}

// A Ran is how a command ended.
type Ran struct {
	Code     int
	Out, Err string
}

func (r Ran) String() string { return fmt.Sprintf("exit %d\n%s%s", r.Code, r.Out, r.Err) }

// Run runs segue in the project's folder and returns how it ended.
func (w *World) Run(args ...string) Ran {
	w.T.Helper()
	cmd := w.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.T.Fatal(err)
	}
	w.noRace(errs.String())
	return Ran{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// Must is Run with the exit code that must come.
func (w *World) Must(code int, args ...string) Ran {
	w.T.Helper()
	r := w.Run(args...)
	if r.Code != code {
		w.T.Fatalf("segue %s: want exit code %d, got %s\n%s", strings.Join(args, " "), code, r, w.agentLog())
	}
	return r
}

func (w *World) command(args ...string) *exec.Cmd {
	cmd := exec.Command(w.Bin, append([]string{"--state", w.State}, args...)...)
	cmd.Dir = w.Dir
	// The race detector has a process sleep for a second before it ends, for races
	// in goroutines that are left. Ours leave none: whoever starts one waits for it.
	cmd.Env = append(append(os.Environ(), "GORACE=atexit_sleep_ms=0"), w.Env...)
	return cmd
}

// An Agent is a running agent.
type Agent struct {
	w    *World
	cmd  *exec.Cmd
	over chan struct{}
}

// Agent starts an agent and waits until it answers. env is added to its own.
func (w *World) Agent(env ...string) *Agent {
	w.T.Helper()
	return w.start(w.command("agent"), env)
}

// Activated is Agent with listening sockets passed on as systemd does it
// (sd_listen_fds(3)); the files stay the test's, as systemd's stay systemd's.
func (w *World) Activated(sockets ...*os.File) *Agent {
	w.T.Helper()
	cmd := w.command("agent")
	cmd.Args = append([]string{"sh", "-c", `export LISTEN_PID=$$; exec "$0" "$@"`}, cmd.Args...)
	cmd.Path = "/bin/sh"
	cmd.ExtraFiles = sockets
	return w.start(cmd, []string{fmt.Sprint("LISTEN_FDS=", len(sockets))})
}

func (w *World) start(cmd *exec.Cmd, env []string) *Agent {
	w.T.Helper()
	log, err := os.OpenFile(w.logPath(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		w.T.Fatal(err)
	}
	defer log.Close()
	cmd.Env = append(cmd.Env, env...)
	if w.clockAddr != "" {
		cmd.Env = append(cmd.Env, "SEGUE_TEST_CLOCK="+w.clockAddr)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		w.T.Fatal(err)
	}
	a := &Agent{w, cmd, make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is for the test to judge, by ProcessState
		close(a.over)
	}()
	w.agent = a
	w.Until("the agent answers", func() bool {
		select {
		case <-a.over:
			w.T.Fatalf("the agent ended: %v\n%s", cmd.ProcessState, w.agentLog())
		default:
		}
		st, err := w.Client().Status(w.T.Context())
		return err == nil && st.Agent.PID == cmd.Process.Pid
	})
	return a
}

// Over is closed when the agent has ended.
func (a *Agent) Over() <-chan struct{} { return a.over }

// IsOver reports whether it has.
func (a *Agent) IsOver() bool {
	select {
	case <-a.over:
		return true
	default:
		return false
	}
}

// Kill ends the agent at once, with SIGKILL.
func (a *Agent) Kill() {
	_ = a.cmd.Process.Kill() // fails when it has ended already
	<-a.over
}

// Stop tells the agent to end, leaving everything else.
func (a *Agent) Stop() {
	a.w.T.Helper()
	_ = a.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-a.over:
	case <-time.After(time.Minute):
		a.w.T.Error("the agent does not end on SIGTERM")
		a.Kill()
	}
}

func (w *World) logPath() string { return filepath.Join(filepath.Dir(w.State), "agent.log") }

func (w *World) agentLog() string {
	data, err := os.ReadFile(w.logPath())
	if errors.Is(err, fs.ErrNotExist) { // there was no agent
		return ""
	}
	if err != nil {
		return err.Error()
	}
	if n := len(data) - 12000; n > 0 {
		data = data[n:]
	}
	return "agent's log:\n" + string(data)
}

// Until waits for something that other processes do; they send no event that a
// test could wait for. The longer it takes, the less often it looks, since a look
// is work for those who are waited for.
func (w *World) Until(what string, ok func() bool) {
	w.T.Helper()
	pause := 5 * time.Millisecond
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(pause) {
		if time.Now().After(deadline) {
			w.T.Fatalf("waited a minute in vain until %s\n%s", what, w.agentLog())
		}
		pause = min(pause*11/10, 30*time.Millisecond)
	}
}

// Status asks the agent.
func (w *World) Status() control.Status {
	w.T.Helper()
	st, err := w.Client().Status(w.T.Context())
	if err != nil {
		w.T.Fatalf("%v\n%s", err, w.agentLog())
	}
	return st
}

// Service is the status of a service.
func (w *World) Service(name string) control.ServiceStatus {
	w.T.Helper()
	for _, s := range w.Status().Services {
		if s.Name == name {
			return s
		}
	}
	return control.ServiceStatus{Name: name}
}

// Get asks the service, on a fresh connection.
func (w *World) Get(path string) string {
	w.T.Helper()
	req, err := http.NewRequestWithContext(w.T.Context(), "GET", w.URL()+path, nil)
	if err != nil {
		w.T.Fatal(err)
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.T.Fatalf("%v\n%s", err, w.agentLog())
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.T.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// Close ends everything, by the road that users have, and looks for leftovers.
// It is called at the end of the test, and does nothing the second time.
func (w *World) Close() {
	if w.agent == nil {
		return
	}
	defer func() { w.agent = nil }()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if _, err := w.Client().Status(ctx); err != nil {
		w.T = notContext{w.T}
		w.Agent()
	}
	if err := w.Client().Quit(ctx, true); err != nil {
		w.T.Errorf("end everything: %v\n%s", err, w.agentLog())
	}
	select {
	case <-w.agent.over:
	case <-ctx.Done():
		w.T.Errorf("the agent does not end\n%s", w.agentLog())
		w.agent.Kill()
	}
	for pid, what := range w.leftovers() {
		w.T.Errorf("left running: %d %s", pid, what)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	w.noRaces()
	if w.T.Failed() {
		w.T.Log(w.agentLog())
	}
}

// notContext is a test whose Context has not ended, for its cleanup.
type notContext struct{ testing.TB }

func (notContext) Context() context.Context { return context.Background() }

// leftovers are processes that work in this world's folder.
func (w *World) leftovers() map[int]string {
	found := map[int]string{}
	names, _ := filepath.Glob("/proc/[0-9]*/cwd") // fails only for a bad pattern
	for _, name := range names {
		cwd, err := os.Readlink(name)
		if err != nil || !strings.HasPrefix(cwd, filepath.Dir(w.State)+"/") {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
		if len(cmdline) == 0 { // its memory is gone already: it is ending
			continue
		}
		found[pid] = strings.ReplaceAll(string(cmdline), "\x00", " ")
	}
	return found
}

// noRaces fails the test when the race detector has spoken in any process.
func (w *World) noRaces() {
	for _, pattern := range []string{w.logPath(), filepath.Join(w.State, "logs", "*.log")} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			if data, err := os.ReadFile(name); err == nil {
				w.noRace(string(data))
			}
		}
	}
}

func (w *World) noRace(output string) {
	for _, sign := range []string{"WARNING: DATA RACE", "panic: ", "fatal error: "} {
		if at := strings.Index(output, sign); at >= 0 {
			w.T.Errorf("%s", output[at:min(len(output), at+8000)])
		}
	}
}

// AllServing fails the test unless exactly n instances of a release serve, and
// no others are there.
func (w *World) AllServing(service string, release, n int) {
	w.T.Helper()
	s := w.Service(service)
	for _, i := range s.Instances {
		if i.Release != release || i.State != "serving" {
			w.T.Errorf("%s is %s of release %d; only release %d should serve", i.ID, i.State, i.Release, release)
		}
	}
	if s.Release != release || len(s.Instances) != n {
		w.T.Errorf("%s is release %d with %d instances; want release %d with %d", service, s.Release, len(s.Instances), release, n)
	}
	if working := w.Running("bin/service"); working != n {
		w.T.Errorf("%d processes of the service run, want %d: %v", working, n, w.leftovers())
	}
}

// Running counts the processes of this world with text in their command line.
func (w *World) Running(text string) int { return len(w.Processes(text)) }

// Processes are the processes of this world with text in their command line.
func (w *World) Processes(text string) (pids []int) {
	for pid, what := range w.leftovers() {
		if strings.Contains(what, text) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Read reads a file of the project.
func (w *World) Read(name string) string {
	w.T.Helper()
	data, err := os.ReadFile(filepath.Join(w.Dir, name))
	if err != nil {
		w.T.Fatal(err)
	}
	return string(data)
}
