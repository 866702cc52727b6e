// Package messages replaces a fleet that consumes messages while they come: what was
// published is handled, whatever becomes of instances and agent.
package messages_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/embedded"
	"github.com/seguehq/segue/store/sqlite"
	"github.com/seguehq/segue/test/harness"
)

func TestMain(m *testing.M) {
	harness.SideBySide(2)
	harness.Main(m)
}

// A fleet is three instances, and the one who publishes to them.
type fleet struct {
	*harness.World
	store, ledger string
	once          bool
	bus           *message.Bus

	stop       context.CancelFunc
	publishing sync.WaitGroup
	mu         sync.Mutex
	orders     []string
	prices     []price
	killed     int // the instance that was
}

// A price is a message to all, and when it was published.
type price struct {
	id          string
	begun, done time.Time
}

func newFleet(t *testing.T, once bool) *fleet {
	w := harness.New(t)
	f := &fleet{World: w, store: filepath.Join(t.TempDir(), "store.db"), ledger: filepath.Join(t.TempDir(), "ledger"), once: once}
	if err := os.WriteFile(f.ledger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.Copy(harness.Build(t, "messages", "./test/messages/service"), "bin/service")
	s, err := sqlite.Open(t.Context(), f.store)
	if err != nil {
		t.Fatal(err)
	}
	broker := embedded.New(s)
	t.Cleanup(func() {
		if err := errors.Join(broker.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	f.bus = message.New(broker, s)
	return f
}

func (f *fleet) release(n int) {
	once := ""
	if f.once {
		once = "yes"
	}
	f.Write("segue.yaml", fmt.Sprintf(`service: web
listen: 127.0.0.1:%d
release: { files: [bin], command: bin/service }
replicas: 3
strategy: { surge: 3 }
probes: { startup: { http: /ready, every: 50ms, failures: 200 }, readiness: { http: /ready } }
env: { SEGUE_STORE: %q, LEDGER: %q, ONCE: %q, N: %d }
`, f.Port, "sqlite://"+f.store, f.ledger, once, n))
}

// publish publishes until the fleet is told to stop: an order every few
// milliseconds, and now and then a price.
func (f *fleet) publish() {
	ctx, cancel := context.WithCancel(f.T.Context())
	f.stop = cancel
	f.publishing.Go(func() {
		tick := time.NewTicker(8 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ctx.Err() == nil; n++ {
			id, topic, begun := fmt.Sprint(n), "orders", time.Now()
			if n%10 == 0 {
				topic = "prices"
			}
			if err := f.bus.Publish(f.T.Context(), message.Message{ID: id, Topic: topic}); err != nil {
				f.T.Errorf("publish: %v", err)
				return
			}
			f.mu.Lock()
			if topic == "prices" {
				f.prices = append(f.prices, price{id, begun, time.Now()})
			} else {
				f.orders = append(f.orders, id)
			}
			f.mu.Unlock()
			<-tick.C
		}
	})
	f.T.Cleanup(func() { cancel(); f.publishing.Wait() })
}

// A line is what an instance has done, and when.
type line struct {
	what, id string
	pid      int
	at       int64 // Unix nanoseconds
}

func (f *fleet) read() (lines []line) {
	f.T.Helper()
	text, err := os.ReadFile(f.ledger)
	if err != nil {
		f.T.Fatal(err)
	}
	for s := range strings.Lines(string(text)) {
		var l line
		if _, err := fmt.Sscan(s, &l.what, &l.id, &l.pid, &l.at); err != nil {
			f.T.Fatalf("%q: %v", s, err)
		}
		lines = append(lines, l)
	}
	return lines
}

// handled counts the orders that were handled, each once.
func (f *fleet) handled() int {
	ids := map[string]bool{}
	for _, l := range f.read() {
		if l.what == "one" {
			ids[l.id] = true
		}
	}
	return len(ids)
}

// kill kills the instance that has handled the last order.
func (f *fleet) kill() {
	lines := f.read()
	for n := len(lines) - 1; ; n-- {
		if lines[n].what == "one" {
			f.killed = lines[n].pid
			break
		}
	}
	if err := syscall.Kill(f.killed, syscall.SIGKILL); err != nil {
		f.T.Error(err)
	}
}

// more waits until some more orders were handled.
func (f *fleet) more(n int) {
	f.T.Helper()
	from := f.handled()
	f.Until("more orders are handled", func() bool { return f.handled() >= from+n })
}

func TestDeployed(t *testing.T) {
	t.Parallel()
	for name, once := range map[string]bool{"at_least_once": false, "once": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, once)
			f.release(1)
			agent := f.Agent()
			f.Must(0, "deploy")
			requests := f.Drill(20)
			f.publish()
			f.more(20)
			for n := 2; n <= 3; n++ {
				f.release(n)
				f.Must(0, "deploy")
				f.more(20)
			}
			f.release(4)
			deploy := f.Background("deploy")
			f.Until("the fourth release is being deployed", func() bool { return f.ups() > 9 })
			agent.Kill()
			f.more(20) // nobody need be there for that
			f.Agent()
			if r := deploy.Ran(); r.Code != 0 {
				t.Errorf("deploy, while the agent was killed: %v", r)
			}
			f.AllServing("web", 4, 3)
			requests.None()
			ups := f.ups()
			f.kill()
			f.Until("another is there for the one that was killed", func() bool { return f.ups() > ups })
			f.more(20)
			f.end()
		})
	}
}

// ups is how many instances have been started.
func (f *fleet) ups() (n int) {
	for _, l := range f.read() {
		if l.what == "up" {
			n++
		}
	}
	return n
}

// end waits until everything is handled, and judges.
func (f *fleet) end() {
	f.T.Helper()
	f.stop()
	f.publishing.Wait()
	f.Until("all orders are handled", func() bool { return f.handled() == len(f.orders) })
	last := f.prices[len(f.prices)-1].id
	f.Until("the last price has reached the three that are there", func() bool {
		n := 0
		for _, l := range f.read() {
			if l.what == "all" && l.id == last {
				n++
			}
		}
		return n >= 3
	})
	lines := f.read()
	twice := f.twice(lines)
	instances, seen := f.reached(lines)
	f.T.Logf("%d orders, each handled; %d twice, all by the one that was killed; %d prices, each seen by all of %d instances while they lived (%d times)",
		len(f.orders), twice, len(f.prices), instances, seen)
}

// twice counts the orders that were handled twice, and sees that the first time was
// by the instance that was killed. What it has acknowledged it does so some at a time,
// so that those of a moment are not; with Once, only the one that it was at.
func (f *fleet) twice(lines []line) (n int) {
	first, last := map[string]line{}, ""
	for _, l := range lines {
		if l.what == "one" && l.pid == f.killed {
			last = l.id
		}
	}
	for _, l := range lines {
		if l.what != "one" {
			continue
		}
		before, again := first[l.id]
		first[l.id] = l
		if !again {
			continue
		}
		n++
		if before.pid != f.killed || f.once && l.id != last {
			f.T.Errorf("order %s was handled by %d, and again by %d; killed was %d", l.id, before.pid, l.pid, f.killed)
		}
	}
	return n
}

// aside is how long before its end an instance may be told of a price and not get it
// any more: it drains.
const aside = 2 * time.Second

// reached sees that each price has reached each instance that lived when it was
// published.
func (f *fleet) reached(lines []line) (instances, times int) {
	up, down, seen := map[int]int64{}, map[int]int64{}, map[string]bool{}
	for _, l := range lines {
		switch l.what {
		case "up":
			up[l.pid] = l.at
		case "down":
			down[l.pid] = l.at
		case "all":
			seen[fmt.Sprint(l.pid, " ", l.id)] = true
		}
	}
	for pid, from := range up {
		to, ended := down[pid]
		if pid == f.killed {
			continue
		}
		instances++
		for _, p := range f.prices {
			if p.begun.UnixNano() < from || ended && p.done.Add(aside).UnixNano() > to {
				continue
			}
			times++
			if !seen[fmt.Sprint(pid, " ", p.id)] {
				f.T.Errorf("price %s, published at %v, has not reached %d, which came at %v and went at %v", p.id, p.begun, pid, time.Unix(0, from), time.Unix(0, to))
			}
		}
	}
	return instances, times
}
