package socket_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seguehq/segue/test/harness"
)

const each = "socket: { per_instance: true }\n"

const migrateFile = "/proc/sys/net/ipv4/tcp_migrate_req"

// alone runs the test in a network of its own, where it may change what is the
// machine's elsewhere; it returns true there, and false where the caller has
// nothing more to do.
func alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv("SEGUE_TEST_ALONE") != "" {
		loopback(t)
		set(t, "1")
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), "SEGUE_TEST_ALONE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if strings.Contains(fmt.Sprint(err), "operation not permitted") {
		t.Skip("this machine gives no network namespaces: ", err)
	}
	if err != nil {
		t.Errorf("in a network of its own: %v\n%s", err, out)
	}
	t.Logf("%s", out)
	return false
}

// loopback brings the network's lo up, which is down in a new one.
func loopback(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		t.Fatal(err)
	}
}

func set(t *testing.T, migrate string) {
	t.Helper()
	if err := os.WriteFile(migrateFile, []byte(migrate), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestPerInstanceBackToBack is TestBackToBack with a socket for each instance.
func TestPerInstanceBackToBack(t *testing.T) {
	t.Parallel()
	if !alone(t) {
		return
	}
	w := harness.New(t)
	web(w, 3, "N: 1", each)
	w.Agent()
	w.Must(0, "deploy")
	d := begin(w, 150, few, fresh)
	const deploys = 4
	for n := 2; n <= deploys; n++ {
		web(w, 3, fmt.Sprint("N: ", n), each)
		w.Must(0, "deploy")
		d.more(20)
	}
	w.Must(0, "scale", "5")
	w.Must(0, "scale", "2")
	w.Must(0, "rollback")
	d.more(20)
	d.none(t, deploys)
	w.AllServing("web", deploys-1, 2)
}

// TestQueueOfOneThatIsKilled stops an instance, so that connections pile up in
// its queue, and kills it: the others answer them all.
func TestQueueOfOneThatIsKilled(t *testing.T) {
	t.Parallel()
	if !alone(t) {
		return
	}
	w := harness.New(t)
	web(w, 2, "", each)
	w.Agent()
	w.Must(0, "deploy")
	victim := w.Service("web").Instances[0].PID
	signal(t, victim, syscall.SIGSTOP)
	w.Until("the instance stands still", func() bool { return stopped(t, victim) })
	const clients = 200
	answers := make(chan error, clients)
	for range clients {
		go func() { answers <- ask(w) }()
	}
	// Whoever is with the other instance is answered; the rest waits.
	waiting := clients
	for quiet := false; !quiet; {
		select {
		case err := <-answers:
			if err != nil {
				t.Fatal(err)
			}
			waiting--
		case <-time.After(2 * time.Second): // nobody tells that the others have to wait
			quiet = true
		}
	}
	if waiting < clients/10 {
		t.Fatalf("only %d of %d clients wait in the queue", waiting, clients)
	}
	signal(t, victim, syscall.SIGKILL)
	for range waiting {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d clients were in the queue", waiting)
}

func signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// stopped tells whether all threads of a process have noticed that they are to
// stop; until then they accept.
func stopped(t *testing.T, pid int) bool {
	t.Helper()
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(stats) == 0 {
		t.Fatalf("process %d is gone: %v", pid, err)
	}
	return !slices.ContainsFunc(stats, func(name string) bool {
		data, err := os.ReadFile(name)
		_, state, _ := strings.Cut(string(data), ") ")
		return err != nil || !strings.HasPrefix(state, "T")
	})
}

// ask sends one request on a connection of its own, once.
func ask(w *harness.World) error {
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL(), "http://"))
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// TestShareOfOneThatIsNotReady: an instance that accepts, but is not ready and
// never will be, is sent nobody.
func TestShareOfOneThatIsNotReady(t *testing.T) {
	t.Parallel()
	if !alone(t) {
		return
	}
	w := harness.New(t)
	web(w, 2, "", each)
	w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(200, fresh)
	d.More(50)
	w.Web(2, "BROKEN: 1, "+linger, strings.Replace(direct, "failures: 200", "failures: 30", 1)+each)
	w.Must(3, "deploy")
	d.More(50)
	r := d.None()
	// One may come in the moment between listen and the filter.
	if n := r.ByRelease["2"]; n > 2 {
		t.Errorf("%d requests went to the release that is not ready: %v", n, r.ByRelease)
	}
}

// TestRefusedWithoutMigration: where the kernel would drop a queue, nothing is
// begun, and the user is told what to do.
func TestRefusedWithoutMigration(t *testing.T) {
	t.Parallel()
	if !alone(t) {
		return
	}
	w := harness.New(t)
	w.Agent()
	set(t, "0")
	web(w, 2, "", each)
	if r := w.Must(2, "deploy"); !strings.Contains(r.Err, "sysctl -w net.ipv4.tcp_migrate_req=1") {
		t.Errorf("%s", r)
	}
	set(t, "1")
	w.Must(0, "deploy")
	web(w, 2, "", "") // one for all
	if r := w.Must(2, "deploy"); !strings.Contains(r.Err, "differ in socket.per_instance") {
		t.Errorf("%s", r)
	}
	w.Must(0, "down")
	w.Must(0, "deploy")
	w.AllServing("web", 2, 2)
}
