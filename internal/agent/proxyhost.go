package agent

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/engine/process"
	"github.com/seguehq/segue/internal/proxy"
)

// proxyHost runs the proxy: a process of its own that outlives the agent. At
// most one is current; an older one may still be draining beside it.
type proxyHost struct {
	a *Agent

	mu      sync.Mutex
	current *proxyProc
	leaving []*proxyProc  // replaced, and still answering on old connections
	changed chan struct{} // closed when current changes
	idle    bool          // there is no current one, and none is needed
	number  int
	problem string
	closing bool

	starting sync.Mutex // one new proxy at a time
	applying sync.Mutex // one table at a time
	version  int64
}

// A proxyProc is one proxy process.
type proxyProc struct {
	number int
	proc   *process.Process
	client *proxy.Client
}

func newProxyHost(a *Agent) *proxyHost {
	return &proxyHost{a: a, changed: make(chan struct{})}
}

func (h *proxyHost) dir() string { return filepath.Join(h.a.o.State, "proxy") }

func (h *proxyHost) file(number int, ext string) string {
	return filepath.Join(h.dir(), strconv.Itoa(number)+ext)
}

func (h *proxyHost) set(p *proxyProc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.become(p)
}

// become makes p the current proxy; nil is for none, as none is needed. mu is held.
func (h *proxyHost) become(p *proxyProc) {
	h.current, h.idle = p, p == nil
	close(h.changed)
	h.changed = make(chan struct{})
}

// errIdle is for who wants something of the proxy when nothing listens any more.
var errIdle = errors.New("no proxy is needed, and none runs")

// get returns the current proxy, waiting for one while it is being replaced.
func (h *proxyHost) get(ctx context.Context) (*proxyProc, error) {
	for {
		h.mu.Lock()
		p, changed, idle := h.current, h.changed, h.idle
		h.mu.Unlock()
		if p != nil {
			return p, nil
		}
		if idle {
			return nil, errIdle
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-changed:
		}
	}
}

// now returns the current proxy, or nil.
func (h *proxyHost) now() *proxyProc {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.current
}

// all lists the proxies that are there: the current one last.
func (h *proxyHost) all() []*proxyProc {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := slices.Clone(h.leaving)
	if h.current != nil {
		all = append(all, h.current)
	}
	return all
}

// apply gives the proxy the table as it is now. When it returns, every later
// request is routed by it. A proxy that dies meanwhile is waited for. One that
// was replaced still answers on connections that it has: it gets the table too.
func (h *proxyHost) apply(ctx context.Context) error {
	h.applying.Lock()
	defer h.applying.Unlock()
	give := func(leaving bool) func(*proxyProc) error {
		return func(p *proxyProc) error { return p.client.Apply(ctx, h.table(leaving)) }
	}
	return errors.Join(h.with(ctx, give(false)), h.withLeaving(ctx, give(true)))
}

// withLeaving calls fn for each replaced proxy that is still there. One that
// does not do as told is ended: it would go on sending requests to instances
// that are about to go.
func (h *proxyHost) withLeaving(ctx context.Context, fn func(*proxyProc) error) error {
	h.mu.Lock()
	leaving := slices.Clone(h.leaving)
	h.mu.Unlock()
	for _, p := range leaving {
		err := fn(p)
		if err == nil || p.ended(ctx) {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		h.a.log.Error("a replaced proxy does not do as told; it is ended", "pid", p.proc.PID(), "error", err)
		if _, err := p.proc.Stop(ctx, "KILL", 0); err != nil {
			return err
		}
	}
	return nil
}

// ended reports whether a proxy that did not answer has ended: it closes its
// control socket a moment before.
func (p *proxyProc) ended(ctx context.Context) bool {
	select {
	case <-p.proc.Done():
		return true
	case <-ctx.Done():
		return false
	case <-time.After(2 * time.Second):
		return false
	}
}

// with calls fn for the current proxy until it succeeds, with another one if
// that one died.
func (h *proxyHost) with(ctx context.Context, fn func(*proxyProc) error) error {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		p, err := h.get(ctx)
		if err != nil {
			return err
		}
		if err = fn(p); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		h.a.log.Warn("the proxy did not do as told; told again", "error", err)
		if err := wait(ctx, pause); err != nil {
			return err
		}
	}
}

// addSockets hands new listening sockets to the running proxy.
func (h *proxyHost) addSockets(ctx context.Context, files map[string]*os.File) error {
	return h.with(ctx, func(p *proxyProc) error {
		st, err := p.client.Status(ctx)
		if err != nil {
			return err
		}
		missing := maps.Clone(files)
		for _, key := range st.Listeners {
			delete(missing, key) // a proxy started meanwhile has them all
		}
		if len(missing) == 0 {
			return nil
		}
		return p.client.AddListeners(ctx, missing)
	})
}

// dropSockets makes the proxy close its copies; when nothing listens any more
// the proxy is not needed either.
func (h *proxyHost) dropSockets(ctx context.Context, keys []string) {
	p := h.now()
	if p == nil || len(keys) == 0 {
		return
	}
	if len(h.a.sockets.all()) == 0 {
		h.dismiss(ctx, p)
		return
	}
	if err := p.client.RemoveListeners(ctx, keys); err != nil {
		h.a.log.Warn("close listening sockets in the proxy", "error", err)
	}
}

// down tells every proxy at once that an instance has ended.
func (h *proxyHost) down(ctx context.Context, id string) {
	tell := func(p *proxyProc) error { return p.client.Down(ctx, id) }
	var err error
	if p := h.now(); p != nil {
		err = tell(p)
	}
	if err := errors.Join(err, h.withLeaving(ctx, tell)); err != nil && ctx.Err() == nil {
		h.a.log.Warn("tell the proxy that an instance has ended", "instance", id, "error", err)
	}
}

// drain tells every proxy what the exchanges of an instance get to end in. One
// that does not hear it, since it has died or is too old, has none or cuts them
// when the instance is stopped.
func (h *proxyHost) drain(ctx context.Context, id string, timeout time.Duration) {
	for _, p := range h.all() {
		if err := p.client.Drain(ctx, id, timeout); err != nil && ctx.Err() == nil && !p.hasEnded() {
			h.a.log.Warn("tell the proxy that an instance drains", "instance", id, "error", err)
		}
	}
}

func (p *proxyProc) hasEnded() bool {
	select {
	case <-p.proc.Done():
		return true
	default:
		return false
	}
}

// inflight waits until no request is in flight to an instance through any
// proxy, at most until ctx ends, and tells how many are.
func (h *proxyHost) inflight(ctx context.Context, id string) (left int, err error) {
	count := func(p *proxyProc) error {
		n, err := p.client.WaitIdle(ctx, id)
		left += n
		if ctx.Err() != nil {
			return nil // not yet
		}
		return err
	}
	if p := h.now(); p != nil {
		err = count(p)
	}
	return left, errors.Join(err, h.withLeaving(ctx, count))
}

// mustKnow refuses what the proxy, started by an older Segue, would pass over.
func (h *proxyHost) mustKnow(ctx context.Context, what string) error {
	p := h.now()
	if p == nil {
		return nil // it is started from the binary that we are of
	}
	st, err := p.client.Status(ctx)
	if err != nil || slices.Contains(st.Knows, what) {
		return err
	}
	return control.Errorf(control.CodeInvalid, "the proxy, segue %s, was started before segue was upgraded and does not know how to %s requests; run `segue upgrade`, which loses none",
		st.Version, map[string]string{proxy.KnowsSplit: "divide", proxy.KnowsMaintenance: "refuse"}[what])
}
