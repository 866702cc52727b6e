package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/process"
	"github.com/seguehq/segue/internal/proxy"
)

// identity is what is written of a proxy before it may run.
type identity struct {
	PID  int    `json:"pid"`
	Born uint64 `json:"born"`
}

// adopt finds the proxies that an earlier agent has left. The newest is the
// current one and gives us the listening sockets; older ones go on draining.
// They are watched once all are known: a proxy that ends meanwhile is not to be
// replaced while a newer one is there.
func (h *proxyHost) adopt(ctx context.Context) error {
	if err := os.MkdirAll(h.dir(), 0o700); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	var found []*proxyProc
	for _, n := range h.recorded() {
		h.number = max(h.number, n)
		p, err := h.adoptOne(n)
		if errors.Is(err, process.ErrGone) {
			h.tidy(n)
			continue
		}
		if err != nil {
			return fmt.Errorf("adopt proxy %d: %w", n, err)
		}
		st, err := p.client.Status(ctx)
		// Told so before its agent died; it closes its control socket last.
		if err == nil && st.Leaving || errors.Is(err, syscall.ECONNREFUSED) {
			h.leaving = append(h.leaving, p)
			found = append(found, p)
			continue
		}
		files, lerr := p.client.Listeners(ctx)
		if err = errors.Join(err, lerr); err != nil {
			h.a.log.Warn("proxy does not answer; it is ended", "pid", p.proc.PID(), "error", err)
			_, _ = p.proc.Stop(ctx, "KILL", 0) // its sockets live on in the next one
			h.tidy(n)
			continue
		}
		h.a.sockets.adopt(files)
		if h.current != nil {
			h.retire(ctx, h.current)
		}
		h.set(p)
		found = append(found, p)
	}
	for _, p := range found {
		h.watch(ctx, p)
	}
	return nil
}

// recorded lists the numbers of the proxies on record, oldest first.
func (h *proxyHost) recorded() []int {
	names, _ := filepath.Glob(filepath.Join(h.dir(), "*.json")) // fails only for a bad pattern
	var ns []int
	for _, name := range names {
		if n, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(name), ".json")); err == nil {
			ns = append(ns, n)
		}
	}
	slices.Sort(ns)
	return ns
}

func (h *proxyHost) adoptOne(n int) (*proxyProc, error) {
	data, err := os.ReadFile(h.file(n, ".json"))
	if err != nil {
		return nil, err
	}
	var id identity
	if err := json.Unmarshal(data, &id); err != nil {
		return nil, fmt.Errorf("%s: %w", h.file(n, ".json"), err)
	}
	proc, err := h.a.engine.Adopt(id.PID, id.Born)
	if err != nil {
		return nil, err
	}
	return &proxyProc{n, proc, proxy.NewClient(h.file(n, ".sock"))}, nil
}

// ensure starts a proxy when there is none.
func (h *proxyHost) ensure(ctx context.Context) error {
	h.starting.Lock()
	defer h.starting.Unlock()
	if h.now() != nil {
		return nil
	}
	p, err := h.start(ctx, h.a.o.Binary)
	if err != nil {
		return err
	}
	h.set(p)
	h.watch(ctx, p)
	return nil
}

// start makes a proxy from a binary, with all listening sockets and the table
// as it is, and returns when it answers.
func (h *proxyHost) start(ctx context.Context, binary string) (*proxyProc, error) {
	h.mu.Lock()
	h.number++
	n := h.number
	h.mu.Unlock()
	proc, err := h.fork(ctx, n, binary)
	if err != nil {
		return nil, fmt.Errorf("start the proxy: %w", err)
	}
	p := &proxyProc{n, proc, proxy.NewClient(h.file(n, ".sock"))}
	if err := p.client.Apply(ctx, h.table(false)); err != nil {
		_, _ = proc.Stop(context.WithoutCancel(ctx), "KILL", 0) // it never served
		h.tidy(n)
		return nil, fmt.Errorf("start the proxy: %w; its log is %s", err, h.log())
	}
	return p, nil
}

func (h *proxyHost) log() string { return filepath.Join(h.a.o.State, "logs", "proxy.log") }

func (h *proxyHost) fork(ctx context.Context, n int, binary string) (*process.Process, error) {
	ctl, err := listenFile(h.file(n, ".sock"))
	if err != nil {
		return nil, err
	}
	defer ctl.Close()
	files := h.a.sockets.all()
	keys := slices.Sorted(maps.Keys(files))
	pass := []process.Socket{{Name: "control", File: ctl}}
	for _, key := range keys {
		pass = append(pass, process.Socket{Name: "traffic", File: files[key]})
	}
	env := process.Environ(os.Environ(), tuning(os.Environ()), 0, "segue", "", "proxy-"+strconv.Itoa(n))
	proc, err := h.a.engine.Prepare(ctx, process.Command{ID: "proxy-" + strconv.Itoa(n), Argv: []string{binary, "proxy"},
		Dir: h.dir(), Env: append(env, proxy.Environ(keys)...), LogFile: h.log(), Sockets: pass})
	if err != nil {
		return nil, err
	}
	if err := writeJSON(h.file(n, ".json"), identity{proc.PID(), proc.Born()}); err != nil {
		_, _ = proc.Stop(ctx, "KILL", 0) // its gate was never opened
		return nil, err
	}
	return proc, proc.Release(ctx)
}

// tuning is what an environment says to Go's runtime. Unlike an instance, the
// proxy is ours: who sets GOMEMLIMIT for the agent means it too.
func tuning(env []string) deploy.Environment {
	vars := make(deploy.Environment)
	for _, kv := range env {
		switch k, v, _ := strings.Cut(kv, "="); k {
		case "GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GORACE", "GOTRACEBACK":
			vars[k] = v
		}
	}
	return vars
}

func listenFile(path string) (*os.File, error) {
	l, err := control.Listen(path)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.File()
}

// watch replaces the proxy p when it ends without having been told to. The
// sockets stay open here, so that connections wait and are not refused.
func (h *proxyHost) watch(ctx context.Context, p *proxyProc) {
	h.a.tasks.Go(func() {
		select {
		case <-ctx.Done():
			return
		case <-p.proc.Done():
		}
		h.tidy(p.number)
		if !h.lost(p) {
			return
		}
		h.a.log.Error("the proxy ended; another is started", "exit", p.proc.Exit().String())
		for pause := 10 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
			err := h.ensure(ctx)
			h.fail(err)
			if err == nil {
				return
			}
			h.a.log.Error("start the proxy again", "error", err)
			if wait(ctx, pause) != nil {
				return
			}
		}
	})
}

// lost takes p off as the current proxy; false means that it was not.
func (h *proxyHost) lost(p *proxyProc) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaving = slices.DeleteFunc(h.leaving, func(l *proxyProc) bool { return l == p })
	if h.current != p || h.closing {
		return false
	}
	h.current = nil
	return true
}

func (h *proxyHost) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.problem = ""
	if err != nil {
		h.problem = err.Error()
	}
}

// replace puts a new proxy, from a binary, in the place of the running one:
// the new one answers before the old one is told to drain.
func (h *proxyHost) replace(ctx context.Context, binary string) error {
	h.applying.Lock()
	defer h.applying.Unlock()
	return h.replaceNow(ctx, binary)
}

// replaceNow is replace for one who holds applying.
func (h *proxyHost) replaceNow(ctx context.Context, binary string) error {
	old := h.now()
	if old == nil {
		return nil
	}
	p, err := h.start(ctx, binary)
	if err != nil {
		return err
	}
	h.set(p)
	h.watch(ctx, p)
	h.retire(ctx, old)
	return nil
}

// dismiss retires p, if it is the current proxy, without another in its place.
func (h *proxyHost) dismiss(ctx context.Context, p *proxyProc) {
	h.mu.Lock()
	is := h.current == p && !h.closing
	if is {
		h.become(nil)
	}
	h.mu.Unlock()
	if is {
		h.retire(ctx, p)
	}
}

// retire tells a proxy to drain and end; it does so by itself.
func (h *proxyHost) retire(ctx context.Context, p *proxyProc) {
	h.mu.Lock()
	h.leaving = append(h.leaving, p)
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := p.client.Quit(ctx); err != nil {
		h.a.log.Warn("tell the old proxy to drain", "pid", p.proc.PID(), "error", err)
		_ = p.proc.Signal(15) // the same, if its control socket is broken
	}
}

// end drains the proxy, and waits until it has ended and with it those that
// drain already.
func (h *proxyHost) end(ctx context.Context) error {
	if p := h.now(); p != nil {
		h.dismiss(ctx, p)
	}
	h.mu.Lock()
	leaving := slices.Clone(h.leaving)
	h.mu.Unlock()
	for _, p := range leaving {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.proc.Done():
		}
	}
	return nil
}

// close ends the watching of proxies that are left running.
func (h *proxyHost) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closing = true
}

func (h *proxyHost) tidy(n int) {
	for _, ext := range []string{".sock", ".json"} {
		if err := os.Remove(h.file(n, ext)); err != nil && !errors.Is(err, os.ErrNotExist) {
			h.a.log.Warn("remove what is left of a proxy", "error", err)
		}
	}
}
