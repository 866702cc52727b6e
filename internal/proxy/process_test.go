package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/seguehq/segue/internal/proxy"
)

// inheritChild is a proxy as the agent starts it.
func inheritChild() {
	o, err := proxy.Inherit()
	if err == nil {
		o.Log = quiet()
		err = proxy.Run(contextOfProcess(), o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// longSocket listens on a path that is too long for a Unix address.
func longSocket(t *testing.T) (string, *os.File) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100), strings.Repeat("e", 100))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	ln, err := net.Listen("unix", fmt.Sprintf("/proc/self/fd/%d/control", d.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	defer ln.Close()
	return filepath.Join(dir, "control"), file(t, ln.(*net.UnixListener))
}

// spawn starts a proxy process without a table on the listener.
func spawn(t *testing.T, ln *net.TCPListener) (*exec.Cmd, *proxy.Client) {
	path, control := longSocket(t)
	lf := file(t, ln)
	defer control.Close()
	defer lf.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "SEGUE_BENCH_CHILD=inherit"), proxy.Environ([]string{key})...)
	cmd.ExtraFiles = []*os.File{control, lf}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd, proxy.NewClient(path)
}

func TestProcess(t *testing.T) {
	a := newStrict(t, "a")
	ln := listen(t)
	addr := ln.Addr().String()
	cfg := proxy.Config{Services: []proxy.Service{{Name: "shop", Listen: []string{key}, Instances: []proxy.Instance{a.Instance}}}}
	cmd, client := spawn(t, ln)

	// A connection that comes before the first table waits for it.
	c := dial(t, addr)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	st, err := client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want(t, "pid", st.PID, cmd.Process.Pid)
	want(t, "listeners", st.Listeners, []string{key})
	if err := client.Apply(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}

	// Killed: the socket lives on with us, and the next proxy accepts from it.
	cmd.Process.Kill()
	cmd.Wait()
	c = dial(t, addr)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	cmd, client = spawn(t, ln)
	if err := client.Apply(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	c.Close()

	// An agent that was killed gets the sockets back.
	back, err := client.Listeners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, back[key].Fd(), syscall.F_GETFL, 0)
	if flags&syscall.O_NONBLOCK == 0 {
		t.Error("the listener has been made to block")
	}
	back[key].Close()
	if err := client.Quit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// Out of descriptors, the proxy serves those it has and comes back by itself.
func TestOutOfDescriptors(t *testing.T) {
	a := newStrict(t, "a")
	ln := listen(t)
	cmd, client := spawn(t, ln)
	cfg := proxy.Config{Services: []proxy.Service{{Name: "shop", Listen: []string{key}, Instances: []proxy.Instance{a.Instance}}}}
	if err := client.Apply(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	first := dial(t, addr)
	r := bufio.NewReader(first)
	ask := func(c net.Conn, r *bufio.Reader) {
		t.Helper()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(res.Body); res.StatusCode != 200 || !bytes.Equal(b, []byte("ok")) {
			t.Fatal(res.Status)
		}
	}
	ask(first, r)
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	setLimit(t, cmd.Process.Pid, uint64(len(fds))+3)
	var more []net.Conn
	for range 10 {
		more = append(more, dial(t, addr))
	}
	for range 5 {
		ask(first, r)
	}
	for _, c := range more[:9] {
		c.Close()
	}
	ask(more[9], bufio.NewReader(more[9]))
}
