//go:build bench

package packages

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bsm/redislock"
	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	goredislib "github.com/redis/go-redis/v9"

	"github.com/seguehq/segue/lock"
	"github.com/seguehq/segue/store/open"
)

// lockerEnv makes this binary one of the processes that lock in a SQLite file.
const lockerEnv = "SEGUE_BENCH_LOCKER"

func TestMain(m *testing.M) {
	if path := os.Getenv(lockerEnv); path != "" {
		if err := lockInFile(path); err != nil {
			log.Fatal(err)
		}
		return
	}
	if flags := os.Getenv(ofrepEnv); flags != "" {
		log.Fatal(serveOFREP(flags))
	}
	os.Exit(m.Run())
}

// A locking is a way to hold a lock while fn runs, waiting for it if need be.
type locking struct {
	name string
	do   func(ctx context.Context, key string, fn func()) error
}

const longLease = 30 * time.Second

// lockings are ours and the others, all on the server at addr. The others wait as
// they do by default, unless it says otherwise.
func lockings(t *testing.T, addr string) []locking {
	s, err := open.Store(t.Context(), "redis://"+addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	client := goredislib.NewClient(&goredislib.Options{Addr: addr, PoolSize: 128})
	t.Cleanup(func() { _ = client.Close() })
	ours, sync, bsm := lock.New(s, lock.Lease(longLease)), redsync.New(goredis.NewPool(client)), redislock.New(client)
	return []locking{
		{"Segue", func(ctx context.Context, key string, fn func()) error {
			return ours.Do(ctx, key, func(context.Context) error { fn(); return nil })
		}},
		{"redsync", func(ctx context.Context, key string, fn func()) error {
			m := sync.NewMutex(key, redsync.WithExpiry(longLease), redsync.WithTries(1<<20))
			if err := m.LockContext(ctx); err != nil {
				return err
			}
			fn()
			_, err := m.UnlockContext(context.WithoutCancel(ctx))
			return err
		}},
		{"bsm/redislock, tries every 1 ms", func(ctx context.Context, key string, fn func()) error {
			l, err := bsm.Obtain(ctx, key, longLease, &redislock.Options{RetryStrategy: redislock.LinearBackoff(time.Millisecond)})
			if err != nil {
				return err
			}
			fn()
			return l.Release(context.WithoutCancel(ctx))
		}},
	}
}

// redisServer starts a Redis that keeps nothing on disk, and returns its address.
func redisServer(t *testing.T) (at string, pid int) {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().(*net.TCPAddr)
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", strconv.Itoa(addr.Port), "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; install it: scripts/need redis-server", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "Ready to accept connections") {
			go func() {
				for lines.Scan() {
				}
			}()
			return addr.String(), cmd.Process.Pid
		}
	}
	t.Fatal("redis-server has not become ready")
	return "", 0
}

// cpuOf is what a process has used of it: user and system, in a hundredth of a second.
func cpuOf(t *testing.T, pid int) time.Duration {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	var sum time.Duration
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	return sum
}

// A measured is what one round of one locking gave.
type measured struct {
	perSecond float64
	p50, p99  time.Duration
	longest   time.Duration // that anybody waited
	perCPU    float64       // in a second of CPU, the server's and ours
}

// uncontended locks and unlocks in so many goroutines, each its own key.
func uncontended(t *testing.T, l locking, goroutines int) measured {
	var mu sync.Mutex
	var all []time.Duration
	var working sync.WaitGroup
	end := time.Now().Add(span)
	for g := range goroutines {
		working.Go(func() {
			var took []time.Duration
			for key := fmt.Sprint(l.name, g); ; {
				begun := time.Now()
				if begun.After(end) {
					break
				}
				if err := l.do(t.Context(), key, func() {}); err != nil {
					t.Error(err)
					return
				}
				took = append(took, time.Since(begun))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
		})
	}
	working.Wait()
	return measured{float64(len(all)) / span.Seconds(), quantile(all, .5), quantile(all, .99), quantile(all, 1), 0}
}

// contended has so many goroutines take turns with one key, each holding it for a
// millisecond. A hand-over is from the end of one to the beginning of another; who
// takes the lock back himself hands nothing over.
func contended(t *testing.T, l locking, goroutines int) measured {
	var handed, waited []time.Duration // written by who holds the lock
	var last time.Time
	before := -1
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()
	var working sync.WaitGroup
	for g := range goroutines {
		working.Go(func() {
			for ctx.Err() == nil {
				asked := time.Now()
				err := l.do(ctx, l.name, func() {
					if before >= 0 && before != g {
						handed = append(handed, time.Since(last))
					}
					waited = append(waited, time.Since(asked))
					time.Sleep(time.Millisecond)
					before, last = g, time.Now()
				})
				if err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	working.Wait()
	return measured{float64(len(waited)) / span.Seconds(), quantile(handed, .5), quantile(handed, .99), quantile(waited, 1), 0}
}

// middle is the median of each figure.
func middle(all []measured) (m measured) {
	var rate, p50, p99, longest, perCPU []float64
	for _, r := range all {
		rate, p50 = append(rate, r.perSecond), append(p50, float64(r.p50))
		p99, longest = append(p99, float64(r.p99)), append(longest, float64(r.longest))
		perCPU = append(perCPU, r.perCPU)
	}
	return measured{median(rate), time.Duration(median(p50)), time.Duration(median(p99)), time.Duration(median(longest)), median(perCPU)}
}

func TestLocks(t *testing.T) {
	addr, pid := redisServer(t)
	list := lockings(t, addr)
	both := func() time.Duration { return cpuOf(t, pid) + cpuOf(t, os.Getpid()) }
	var tab table
	tab.row("Redis", "locks", "locks/s", "p50", "p99", "longest wait", "Segue ÷ it", "locks per CPU-second", "Segue ÷ it")
	for _, scenario := range []struct {
		name    string
		measure func(*testing.T, locking) measured
	}{
		{"lock and unlock, 1 goroutine", func(t *testing.T, l locking) measured { return uncontended(t, l, 1) }},
		{"lock and unlock, 16 goroutines, a key each", func(t *testing.T, l locking) measured { return uncontended(t, l, 16) }},
		{"lock and unlock, 64 goroutines, a key each", func(t *testing.T, l locking) measured { return uncontended(t, l, 64) }},
		{"hand-over, 8 goroutines, one key, held 1 ms", func(t *testing.T, l locking) measured { return contended(t, l, 8) }},
	} {
		got := make([][]measured, len(list))
		for range rounds {
			for n, l := range list {
				before := both()
				m := scenario.measure(t, l)
				m.perCPU = m.perSecond * span.Seconds() / (both() - before).Seconds()
				got[n] = append(got[n], m)
			}
		}
		ours := middle(got[0])
		for n, l := range list {
			m := middle(got[n])
			tab.row(scenario.name, l.name, fmt.Sprintf("%.0f", m.perSecond), m.p50.Round(time.Microsecond).String(), m.p99.Round(time.Microsecond).String(), m.longest.Round(time.Microsecond).String(),
				fmt.Sprintf("%.2f", ours.perSecond/m.perSecond), fmt.Sprintf("%.0f", m.perCPU), fmt.Sprintf("%.2f", ours.perCPU/m.perCPU))
		}
	}
	write(t, "locks", "The server keeps nothing on disk. Of an uncontended lock the times are of lock and unlock together, of a hand-over from the end of one holder's work to the beginning of another's; who takes the lock back himself hands nothing over, and lets the others wait. CPU is the server's and the client's together: it says more than the rest where a machine does other work meanwhile.", tab)
}

func TestLocksInSQLite(t *testing.T) {
	var tab table
	tab.row("SQLite", "locks/s, all together", "slowest process's p99", "errors")
	for _, processes := range []int{1, 4} {
		var rate, p99 []float64
		for range rounds {
			r, p := lockProcesses(t, processes)
			rate, p99 = append(rate, r), append(p99, p)
		}
		tab.row(fmt.Sprintf("%d processes, a key each", processes), fmt.Sprintf("%.0f", median(rate)), time.Duration(median(p99)).Round(time.Microsecond).String(), "0")
	}
	write(t, "locks in SQLite", "One file. An error of any process, SQLITE_BUSY among them, ends the measurement.", tab)
}

// lockProcesses has processes lock in one file, and sums their locks per second.
func lockProcesses(t *testing.T, n int) (sum, p99 float64) {
	path := filepath.Join(t.TempDir(), "store.db")
	outs := make([]string, n)
	var working sync.WaitGroup
	for i := range n {
		working.Go(func() {
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), lockerEnv+"="+path)
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				t.Error(err)
			}
			outs[i] = string(out)
		})
	}
	working.Wait()
	for _, out := range outs {
		var rate, slow float64
		if _, err := fmt.Sscan(out, &rate, &slow); err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		sum, p99 = sum+rate, max(p99, slow)
	}
	return sum, p99
}

// lockInFile locks and unlocks for a span, and prints how often in a second, and
// the p99 in nanoseconds.
func lockInFile(path string) (err error) {
	ctx := context.Background()
	s, err := open.Store(ctx, "sqlite://"+path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	l, key := lock.New(s, lock.Lease(longLease)), fmt.Sprint("bench-", os.Getpid())
	var took []time.Duration
	for end := time.Now().Add(span); time.Now().Before(end); {
		begun := time.Now()
		if err := l.Do(ctx, key, func(context.Context) error { return nil }); err != nil {
			return err
		}
		took = append(took, time.Since(begun))
	}
	fmt.Println(float64(len(took))/span.Seconds(), float64(quantile(took, .99)))
	return nil
}
