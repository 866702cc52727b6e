package lock_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/lock"
)

// A relay is a network between a worker and its server. While it is cut, nothing
// comes through, and nobody is told.
type relay struct {
	net.Listener
	to     string
	mu     sync.Mutex
	mended *sync.Cond
	isCut  bool
	conns  sync.WaitGroup
	asked  atomic.Int64 // how often something came from the client
}

func newRelay(t *testing.T, at, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", at+":0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l, to: to}
	r.mended = sync.NewCond(&r.mu)
	r.conns.Go(r.accept)
	t.Cleanup(func() {
		r.mend()
		_ = l.Close()
		r.conns.Wait()
	})
	return r
}

func (r *relay) cut()  { r.set(true) }
func (r *relay) mend() { r.set(false) }

func (r *relay) set(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.isCut = cut
	r.mended.Broadcast()
}

func (r *relay) accept() {
	for {
		in, err := r.Accept()
		if err != nil {
			return
		}
		r.conns.Go(func() {
			out, err := net.Dial("tcp", r.to)
			if err == nil {
				var answers atomic.Int64
				r.conns.Go(func() { r.pass(in, out, &answers) })
				r.pass(out, in, &r.asked)
			}
			_ = in.Close()
		})
	}
}

// pass passes bytes on until either end has closed, and then closes both. It
// counts how often some have come.
func (r *relay) pass(to, from net.Conn, count *atomic.Int64) {
	defer to.Close()
	defer from.Close()
	for buf := make([]byte, 16<<10); ; {
		n, err := from.Read(buf)
		count.Add(1)
		r.mu.Lock()
		for r.isCut {
			r.mended.Wait()
		}
		r.mu.Unlock()
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
		if err != nil {
			return
		}
	}
}

// A namespace is a network of one process, with one cable to the rest of the
// machine: what is cut is the cable.
type namespace struct {
	*testing.T
	name, ours, theirs string // the namespace; both ends of the cable
	address            string // of our end
}

func newNamespace(t *testing.T) *namespace {
	t.Helper()
	id := fmt.Sprintf("%x", os.Getpid()&0xffffff)
	n := &namespace{t, "segue-" + id, "sgo" + id, "sgt" + id, fmt.Sprintf("169.254.%d.1", os.Getpid()%250+1)}
	n.ip("netns", "add", n.name)
	t.Cleanup(func() { n.ip("netns", "del", n.name) }) // and with it the cable
	n.ip("link", "add", n.ours, "type", "veth", "peer", "name", n.theirs, "netns", n.name)
	n.ip("addr", "add", n.address+"/30", "dev", n.ours)
	n.ip("-n", n.name, "addr", "add", strings.TrimSuffix(n.address, "1")+"2/30", "dev", n.theirs)
	n.ip("-n", n.name, "link", "set", n.theirs, "up")
	n.mend()
	return n
}

func (n *namespace) ip(args ...string) {
	n.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func (n *namespace) cut()  { n.ip("link", "set", n.ours, "down") }
func (n *namespace) mend() { n.ip("link", "set", n.ours, "up") }

// A cable that is pulled out tells nobody either, and packets are lost. It takes
// root to pull it; without, the relay of the other tests does.
func TestAHolderWhoseCableIsPulledOut(t *testing.T) {
	t.Parallel()
	s := servertest.Redis(t)
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	networks := []*relay{newRelay(t, "127.0.0.1", u.Host), newRelay(t, "127.0.0.1", u.Host)}
	cut, mend := networks[1].cut, networks[1].mend
	w := newWorld(t, false, nil)
	if os.Getuid() == 0 {
		n := newNamespace(t)
		networks[1], cut, mend = newRelay(t, n.address, u.Host), n.cut, n.mend
		w.inside = func(worker int, exe string) *exec.Cmd {
			if worker == 2 {
				return exec.Command("ip", "netns", "exec", n.name, exe)
			}
			return exec.Command(exe)
		}
	}
	next := 0
	w.urls = func() string {
		through := *u
		through.Host = networks[next].Addr().String()
		next++
		return through.String()
	}
	workers := []*worker{w.start(), w.start()}
	for _, k := range workers {
		k.served(0)
	}
	since := workers[1].loses("cut off", cut)
	mend()
	workers[1].noticed(since)
	workers[1].served(w.position())
	w.end(workers)
	w.judge()
}

func TestALockThatIsFreeIsOneRoundTripAndItsReleaseAnother(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]func(testing.TB) string{"redis": servertest.RedisURL, "postgres": servertest.PostgresURL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(at(t))
			if err != nil {
				t.Fatal(err)
			}
			r := newRelay(t, "127.0.0.1", u.Host)
			u.Host = r.Addr().String()
			s, err := servertest.Open(t.Context(), u.String())
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			const times = 20
			l := lock.New(s)
			locked := func() {
				if err := l.Do(t.Context(), "k", func(context.Context) error { return nil }); err != nil {
					t.Error(err)
				}
			}
			locked() // what is prepared once is
			before := r.asked.Load()
			for range times {
				locked()
			}
			// A driver may ask for something else once in a while.
			if trips := r.asked.Load() - before; trips < 2*times || trips > 2*times+5 {
				t.Errorf("%d locks were %d round trips, want %d", times, trips, 2*times)
			}
		})
	}
}
