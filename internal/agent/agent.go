// Package agent is the control plane: it starts and adopts instances and the
// proxy, runs rollouts, and keeps the journal. It holds no request. Killed at
// any instant it loses nothing: proxy and instances go on, and the next agent
// adopts them and ends what was begun.
//
// It is the composition root. Every goroutine of the control plane is started
// here and ends before Run returns.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/seguehq/segue/internal/clock"
	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/engine/process"
	"github.com/seguehq/segue/internal/journal"
)

// Options is what an agent is started with.
type Options struct {
	State   string // its folder
	Binary  string // path of segue, from which proxy and instances are started
	Version string
	Log     *slog.Logger
	Ready   func()      // called once when the control socket answers; may be nil
	Clock   clock.Clock // what decides by the time of day goes by it; nil is the machine's
}

// Agent is a running control plane.
type Agent struct {
	o       Options
	log     *slog.Logger
	began   time.Time
	journal *journal.Journal
	record  recorder // the journal, as rollouts write it
	engine  *process.Engine
	ports   *process.Ports
	trees   *process.Trees
	sockets *sockets
	control *net.UnixListener
	proxy   *proxyHost
	events  *hub
	outbox  *outbox
	metrics *metricsServer
	clock   clock.Clock
	gate    *gate

	tasks   sync.WaitGroup
	staying context.Context // ends when the agent is to end: for callers who wait
	living  context.Context // ends when they, and all others, have been answered: for the work itself
	quit    chan error      // what Run is to return

	mu       sync.Mutex
	services map[string]*service
	claimed  map[string]int       // addresses of rollouts that are about to begin, by how many
	fresh    map[string]time.Time // trees that were sent lately and may not have a release yet
	settings control.Settings
}

// Run runs an agent until ctx ends or it is told to quit. Proxy and instances
// stay, unless it was told to end everything. When the agent is to be replaced
// by another binary, Run returns a *Replacement, whose Exec does that.
func Run(ctx context.Context, o Options) error {
	lock, err := lockState(o.State)
	if err != nil {
		return err
	}
	defer lock.Close()
	a, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer a.journal.Close()
	living, die := context.WithCancel(context.WithoutCancel(ctx))
	staying, leave := context.WithCancel(ctx)
	a.living, a.staying = living, staying
	err = a.run(living, leave, context.AfterFunc(ctx, die))
	leave()
	die()
	a.tasks.Wait()
	a.proxy.close()
	a.engine.Leave()
	if !errors.As(err, new(*Replacement)) {
		a.sockets.forget()
	}
	return err
}

func open(ctx context.Context, o Options) (*Agent, error) {
	a := &Agent{o: o, log: o.Log, began: time.Now(), events: newHub(), quit: make(chan error, 1),
		services: map[string]*service{}, claimed: map[string]int{}, fresh: map[string]time.Time{}}
	var err error
	if a.journal, err = journal.Open(filepath.Join(o.State, "segue.db")); err != nil {
		return nil, err
	}
	a.record = recordWith(a.journal)
	a.engine = &process.Engine{Self: o.Binary}
	a.ports = &process.Ports{}
	a.trees = &process.Trees{Dir: filepath.Join(o.State, "trees")}
	a.sockets = newSockets(o.Log)
	a.proxy = newProxyHost(a)
	a.metrics = &metricsServer{agent: a}
	a.gate = newGate(a)
	a.outbox = newOutbox(a)
	return a, nil
}

// run works until the agent is to end, and all who have called are answered. ctx is
// for the work; leave ends staying; started says that ctx need no longer end with the
// caller's.
func (a *Agent) run(ctx context.Context, leave func(), started func() bool) error {
	if err := errors.Join(a.setClock(ctx), a.loadSettings(), a.gate.load()); err != nil {
		return err
	}
	a.sockets.inherit()
	l, err := a.controlSocket()
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	defer l.Close()
	a.control = l
	a.keepTickets(ctx)
	if err := a.proxy.adopt(ctx); err != nil {
		return err
	}
	if err := a.load(ctx); err != nil {
		return err
	}
	serving := a.serve(a.staying, l)
	started()
	a.sweep(ctx)
	a.tasks.Go(func() { a.rotateLogs(ctx) })
	a.tasks.Go(func() { a.outbox.run(ctx) })
	a.tasks.Go(func() { a.watchShedding(ctx) })
	a.metrics.apply(ctx)
	if a.o.Ready != nil {
		a.o.Ready()
	}
	select {
	case <-a.staying.Done():
		err = nil
	case err = <-a.quit:
	case err = <-serving:
	}
	leave()
	for range serving {
	}
	return err
}

// socket is where the control API is.
func (a *Agent) socket() string { return filepath.Join(a.o.State, "agent.sock") }

// load brings back every service that the journal knows, and goes on with
// rollouts that were cut off.
func (a *Agent) load(ctx context.Context) error {
	known, err := a.journal.Services(ctx)
	if err != nil {
		return err
	}
	open, err := a.journal.Open(ctx)
	if err != nil {
		return err
	}
	a.endTasks(ctx, open)
	for _, c := range known {
		a.addService(c)
	}
	for n := range open {
		r := &open[n]
		s := a.service(r.Service)
		if s == nil { // its first deploy was cut off
			s = a.addService(journal.Current{Service: r.Service})
		}
		s.rollout, s.entered = r, -1
	}
	for _, s := range a.all() {
		if err := errors.Join(s.adopt(ctx), s.loadPauses(), s.loadCalendar(), s.loadMaintenance(), s.loadSheddings(), s.loadSource()); err != nil {
			return err
		}
	}
	if err := a.listen(ctx); err != nil {
		return err
	}
	for _, s := range a.all() {
		s.launch(ctx)
	}
	return nil
}

// addService returns the service of that name, new if it was not known.
func (a *Agent) addService(c journal.Current) *service {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.services[c.Service]; s != nil {
		return s
	}
	s := newService(a, c)
	a.services[c.Service] = s
	return s
}

func (a *Agent) service(name string) *service {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.services[name]
}

// all lists the services by name.
func (a *Agent) all() []*service {
	a.mu.Lock()
	defer a.mu.Unlock()
	return sortedByName(a.services)
}

// lockState makes the state folder and takes its lock, which a dead agent has
// lost: there is never more than one agent of a folder.
func lockState(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state folder: %w; choose another with --state", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state folder: %w; choose another with --state", err)
	}
	if err := flock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("state folder %s: another agent is running there (%w)", dir, err)
	}
	return f, nil
}
