package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/process"
	"github.com/seguehq/segue/internal/probe"
)

// A proc is the process of an instance.
type proc struct {
	*process.Process
	port   int
	notice *notice
	// deaf is an earlier agent's that was to say that it is ready, which it may
	// have said to nobody. It is ended as any other, for with an inherited socket
	// it may be serving already, and started anew.
	deaf bool

	mu      sync.Mutex
	members []*os.File // its own listening sockets, until it serves
}

func (p *proc) ended() bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}

func (s *service) process(id string) *proc {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.procs[id]
}

func (s *service) logFile(id string) string {
	return filepath.Join(s.a.o.State, "logs", s.name, id+".log")
}

// Start implements rollout.Engine. One that runs already is left alone: that
// is how a start is gone on with.
func (s *service) Start(ctx context.Context, i deploy.Instance) error {
	if x := s.process(i.ID); x != nil {
		if !x.deaf {
			return nil
		}
		if err := s.Stop(ctx, i); err != nil {
			return err
		}
	}
	rel := s.release(i.Release)
	if rel == nil {
		return fmt.Errorf("release %d is not kept any more", i.Release)
	}
	env, err := s.instanceEnv(ctx, i)
	if err != nil {
		return err
	}
	if rel.Spec.Proxied() {
		if i.Port, err = s.a.ports.Pick(s.a.portTaken); err != nil {
			return err
		}
	}
	if err := s.spawn(ctx, i, rel, env); err != nil {
		s.a.ports.Release(i.Port)
		return err
	}
	return nil
}

// spawn makes the process, writes down which it is, and only then lets it run
// the user's program.
func (s *service) spawn(ctx context.Context, i deploy.Instance, rel *deploy.Release, env deploy.Environment) error {
	sockets, own, err := s.inherited(rel)
	if err != nil {
		return err
	}
	n, err := s.listenTo(i, rel)
	if err != nil {
		closeAll(own)
		return err
	}
	x := &proc{port: i.Port, notice: n, members: own}
	if err := s.spawnWith(ctx, i, x, process.Command{
		ID: i.ID, Argv: rel.Spec.Command, Dir: s.a.trees.Path(rel.Tree),
		Env:     append(s.environ(i, env), n.environ()...),
		LogFile: s.logFile(i.ID), Limits: rel.Spec.Limits, Sockets: sockets,
	}); err != nil {
		x.forget()
		return err
	}
	s.own(i, x)
	return nil
}

// environ is an instance's environment. All instances of a service share a
// store, which they need not use: what is in it outlives releases, so that it is
// the service's own, or of several services, and is not removed with them.
func (s *service) environ(i deploy.Instance, vars deploy.Environment) []string {
	spec := s.spec(i.Release)
	all := deploy.Environment{"SEGUE_STORE": s.a.storeFile(spec)}
	if spec.OFREP != "" {
		all["OFREP_ENDPOINT"] = "http://" + spec.OFREP + "/" + s.name
	}
	maps.Copy(all, vars)
	all["SEGUE_STOP_TIMEOUT"] = spec.Stop.Timeout.String()
	return process.Environ(os.Environ(), all, i.Port, s.name, strconv.Itoa(i.Release), i.ID)
}

func (s *service) spawnWith(ctx context.Context, i deploy.Instance, x *proc, c process.Command) error {
	p, err := s.a.engine.Prepare(ctx, c)
	if err != nil {
		return err
	}
	x.Process = p
	if err := s.a.record.SetProcess(ctx, i.ID, p.PID(), p.Born(), i.Port); err != nil {
		_, _ = p.Stop(context.WithoutCancel(ctx), "KILL", 0) // its gate was never opened
		return err
	}
	s.fleet.Update(i.ID, func(f *deploy.Instance) bool {
		f.PID, f.Born, f.Port = p.PID(), p.Born(), i.Port
		return true
	})
	return p.Release(ctx)
}

// listenTo opens the socket on which the instance says that it is ready, where
// it is asked to.
func (s *service) listenTo(i deploy.Instance, rel *deploy.Release) (*notice, error) {
	if p := rel.Spec.Probes.Startup; p == nil || !p.Notify {
		return nil, nil
	}
	n, err := s.a.openNotice(i.ID)
	if err != nil {
		return nil, err
	}
	s.a.tasks.Go(func() { n.hear(func(status string) { s.progress(i, status) }) })
	return n, nil
}

// own notes an instance's process, keeps its port, and reports its end.
func (s *service) own(i deploy.Instance, x *proc) {
	s.mu.Lock()
	s.procs[i.ID] = x
	s.mu.Unlock()
	s.a.ports.Hold(i.Port)
	s.a.tasks.Go(func() { s.watchExit(i.ID, x) })
}

func (s *service) watchExit(id string, x *proc) {
	defer x.forget()
	select {
	case <-s.a.living.Done():
		return
	case <-x.Done():
	}
	s.a.ports.Release(x.port)
	i, ok := s.fleet.Get(id)
	if !ok || i.State == deploy.Stopping || x.deaf {
		return // it was told to
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s.a.proxy.down(ctx, i.ID)
	s.fleet.Report(id, s.endedError(i).Error())
}

// forget closes what we keep for an instance's start.
func (x *proc) forget() {
	x.notice.close()
	x.dropMembers()
}

// adoptInstance takes on a process that an earlier agent has started.
func (s *service) adoptInstance(ctx context.Context, i deploy.Instance) error {
	if i.PID == 0 {
		return nil // it never was; whoever wants it starts it
	}
	p, err := s.a.engine.Adopt(i.PID, i.Born)
	switch {
	case err == nil:
		s.own(i, &proc{Process: p, port: i.Port, deaf: s.unheard(i)})
		return nil
	case !errors.Is(err, process.ErrGone):
		return fmt.Errorf("adopt %s: %w", i.ID, err)
	case i.State == deploy.Starting:
		// Its gate may never have been opened, which is no fault of its
		// release: it is started once more.
		s.fleet.Update(i.ID, func(f *deploy.Instance) bool { f.PID, f.Born, f.Port = 0, 0, 0; return true })
	case i.State != deploy.Stopping && i.State != deploy.Draining:
		s.fleet.Report(i.ID, "it ended while no agent was running"+s.lastLines(i.ID))
	}
	return nil
}

// unheard tells whether an instance of an earlier agent was to say that it is
// ready, and whether it has is not known.
func (s *service) unheard(i deploy.Instance) bool {
	p := s.spec(i.Release).Probes.Startup
	return i.State == deploy.Starting && p != nil && p.Notify
}

// Stop implements rollout.Engine.
func (s *service) Stop(ctx context.Context, i deploy.Instance) error {
	x := s.process(i.ID)
	if x == nil {
		return nil
	}
	how := s.spec(i.Release).Stop
	exit, err := x.Process.Stop(ctx, how.Signal, how.Timeout)
	if err != nil {
		return fmt.Errorf("stop %s: %w", i.ID, err)
	}
	s.log.Info("instance ended", "instance", i.ID, "exit", exit.String())
	return nil
}

// WaitReady implements rollout.Prober.
func (s *service) WaitReady(ctx context.Context, i deploy.Instance) error {
	x := s.process(i.ID)
	if x == nil {
		return errors.New("it is not running")
	}
	i, _ = s.fleet.Get(i.ID) // now with its port
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-x.Done():
			cancel(s.endedError(i))
		case <-ctx.Done():
		}
	}()
	spec := s.spec(i.Release)
	err := probe.WaitReady(ctx, spec.Probes, s.target(i), spec.Strategy.MinReady, func(kind string, tried, of int, last error) {
		note := fmt.Sprintf("%s %d/%d", kind, tried, of)
		if of == 0 {
			note = kind
		}
		if last != nil {
			note += ": " + last.Error()
		}
		s.progress(i, note)
	})
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	if err != nil {
		return fmt.Errorf("%w%s", err, s.lastLines(i.ID))
	}
	return x.Stranger(i.Port)
}

func (s *service) target(i deploy.Instance) probe.Target {
	env, err := s.instanceEnv(s.a.living, i)
	if err != nil {
		s.log.Warn("environment for probes", "error", err)
	}
	spec := s.spec(i.Release)
	var said <-chan struct{}
	if x := s.process(i.ID); x != nil {
		said = x.notice.said()
	}
	full := deploy.Environment{}
	for _, kv := range s.environ(i, env) {
		k, v, _ := strings.Cut(kv, "=")
		full[k] = v
	}
	return probe.Target{Addr: i.Addr(), Env: full, Dir: s.a.trees.Path(s.tree(i.Release)), H2C: spec.Proxy.Protocol == deploy.H2C, Said: said}
}

func (s *service) tree(release int) string {
	if r := s.release(release); r != nil {
		return r.Tree
	}
	return ""
}

// endedError tells how an instance ended, with the last that it said.
func (s *service) endedError(i deploy.Instance) error {
	x := s.process(i.ID)
	if x == nil {
		return errors.New("it is not running")
	}
	return fmt.Errorf("it ended: %s%s", x.Exit(), s.lastLines(i.ID))
}

// lastLines is the tail of an instance's log, for errors.
func (s *service) lastLines(id string) string {
	lines, err := process.Tail(s.logFile(id), 8)
	if err != nil || len(lines) == 0 {
		return "; its log is empty"
	}
	return "; last in its log:\n    " + strings.Join(lines, "\n    ")
}

// portTaken reports whether a port is an instance's.
func (a *Agent) portTaken(port int) bool {
	for _, s := range a.all() {
		for _, i := range s.fleet.List() {
			if i.Port == port {
				return true
			}
		}
	}
	return false
}
