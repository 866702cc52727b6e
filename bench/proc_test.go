//go:build bench

package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
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
)

// A bench is one measurement's processes and files; all of them end with it.
type bench struct {
	t    *testing.T
	dir  string
	self string // this binary
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir, err := os.MkdirTemp("", "segue-bench-") // short: Unix sockets are in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t, dir, self}
	b.certify()
	return b
}

// A proc is a process that we started, with whatever it started.
type proc struct {
	pid  int
	stop func()
}

// A socket is one that a process may inherit.
type socket interface{ File() (*os.File, error) }

// start starts a command on the given CPU. It is ended with the bench, or by
// proc.stop, or with us. Its standard output is dropped; what it says on
// standard error is shown. It inherits the sockets from descriptor 3 on.
func (b *bench) start(cpu string, env, argv []string, sockets ...socket) *proc {
	b.t.Helper()
	cmd := exec.Command("taskset", append([]string{"-c", cpu}, argv...)...)
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	for _, s := range sockets {
		f, err := s.File()
		if err != nil {
			b.t.Fatal(err)
		}
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	return b.run(cmd)
}

func (b *bench) run(cmd *exec.Cmd) *proc {
	b.t.Helper()
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		_ = cmd.Wait() // we end it, by a signal
		close(over)
	}()
	p := &proc{pid: cmd.Process.Pid}
	p.stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // fails when it has ended already
		select {
		case <-over:
		case <-time.After(5 * time.Second):
			_ = syscall.Kill(-p.pid, syscall.SIGKILL) // the same
			<-over
		}
	}
	b.t.Cleanup(p.stop)
	return p
}

// listen opens a loopback socket for a process to inherit.
func (b *bench) listen() (*net.TCPListener, string) {
	b.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	return l.(*net.TCPListener), l.Addr().String()
}

// answers waits until there is an answer, in the protocol that is asked for.
func (b *bench) answers(tls bool, addr string) {
	b.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	url, want := loadURL(tls, addr, "/"), 1
	if tls {
		want, transport.ForceAttemptHTTP2, transport.TLSClientConfig = 2, true, tlsClient("h2", "http/1.1")
	}
	client := &http.Client{Timeout: time.Second, Transport: transport}
	b.until(fmt.Sprintf("%s answers by HTTP/%d", url, want), func() bool {
		res, err := client.Get(url)
		if err != nil {
			return false
		}
		_, err = io.Copy(io.Discard, res.Body)
		return errors.Join(err, res.Body.Close()) == nil && res.StatusCode == http.StatusOK && res.ProtoMajor == want
	})
}

// until waits for something that other processes do.
func (b *bench) until(what string, ok func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// tree is a process with its descendants.
func tree(pid int) []int {
	children := map[int][]int{}
	names, _ := filepath.Glob("/proc/[0-9]*/stat") // fails only for a bad pattern
	for _, name := range names {
		if f, err := statFields(name); err == nil {
			id, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			parent, _ := strconv.Atoi(f[1])
			children[parent] = append(children[parent], id)
		}
	}
	all := []int{pid}
	for n := 0; n < len(all); n++ {
		all = append(all, children[all[n]]...)
	}
	return all
}

// statFields are those of /proc/PID/stat behind the command's name: state,
// parent, … (proc(5) counts them from 3).
func statFields(path string) ([]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	at := strings.LastIndexByte(string(data), ')')
	f := strings.Fields(string(data[at+1:]))
	if at < 0 || len(f) < 15 {
		return nil, fmt.Errorf("%s is not what proc(5) says", path)
	}
	return f, nil
}

// cpuTime is what a process and its descendants, ended ones too, have used of
// the CPU, in user and system mode.
func cpuTime(pid int) (all time.Duration, err error) {
	for _, id := range tree(pid) {
		d, err := ownCPU(id, 11, 12, 13, 14) // utime, stime, cutime, cstime
		if err != nil {
			return 0, err
		}
		all += d
	}
	return all, nil
}

// ownCPU sums fields of /proc/PID/stat. The kernel counts CPU time exactly and
// tells it to 10 ms.
func ownCPU(pid int, fields ...int) (time.Duration, error) {
	f, err := statFields(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	var ticks int64
	for _, field := range fields {
		n, err := strconv.ParseInt(f[field], 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// busyOf is how long a CPU, by its number, was not idle since the machine
// started, whoever it worked for.
func busyOf(cpu string) (time.Duration, error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 9 || f[0] != "cpu"+cpu {
			continue
		}
		var ticks int64
		for _, field := range []int{1, 2, 3, 6, 7} { // user, nice, system, irq, softirq
			n, err := strconv.ParseInt(f[field], 10, 64)
			if err != nil {
				return 0, err
			}
			ticks += n
		}
		return time.Duration(ticks) * 10 * time.Millisecond, nil
	}
	return 0, fmt.Errorf("/proc/stat has no cpu%s", cpu)
}

// A memory is what processes hold, in bytes.
type memory struct{ rss, pss int64 }

func memoryOf(pids ...int) (m memory, err error) {
	for _, id := range pids {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", id))
		if err != nil {
			return m, err
		}
		for line := range strings.Lines(string(data)) {
			f := strings.Fields(line)
			if len(f) < 2 {
				continue
			}
			kib, _ := strconv.ParseInt(f[1], 10, 64)
			switch f[0] {
			case "Rss:":
				m.rss += kib << 10
			case "Pss:":
				m.pss += kib << 10
			}
		}
	}
	return m, nil
}

// openOf counts the open descriptors of a process and its descendants.
func openOf(pid int) (n int) {
	for _, id := range tree(pid) {
		list, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", id)) // of one that has just ended: none
		n += len(list)
	}
	return n
}

// output runs a command to its end on the given CPU.
func (b *bench) output(cpu string, env []string, argv ...string) ([]byte, error) {
	cmd, cancel := b.command(5*time.Minute, cpu, env, argv)
	defer cancel()
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, out)
	}
	return out, nil
}

// lines is output for a command whose lines are wanted as they come, and that
// may take so long.
func (b *bench) lines(limit time.Duration, cpu string, argv []string, each func(string)) (string, error) {
	cmd, cancel := b.command(limit, cpu, nil, argv)
	defer cancel()
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	var out strings.Builder
	s := bufio.NewScanner(pipe)
	for s.Scan() {
		each(s.Text())
		out.WriteString(s.Text() + "\n")
	}
	if err := errors.Join(s.Err(), cmd.Wait()); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, &out)
	}
	return out.String(), nil
}

func (b *bench) command(limit time.Duration, cpu string, env, argv []string) (*exec.Cmd, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(b.t.Context(), limit)
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", cpu}, argv...)...)
	cmd.Dir, cmd.Env, cmd.Stderr = b.dir, append(os.Environ(), env...), os.Stderr
	return cmd, cancel
}
