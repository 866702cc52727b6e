package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// Status is what a proxy tells of itself.
type Status struct {
	Version       string          `json:"version"`
	PID           int             `json:"pid"`
	Knows         []string        `json:"knows"`          // what of a table it would not pass over: KnowsSplit …
	ConfigVersion int64           `json:"config_version"` // of the table in force
	Leaving       bool            `json:"leaving"`        // told to quit
	Listeners     []string        `json:"listeners"`      // keys, sorted
	Connections   int             `json:"connections"`    // of clients, open now
	Accepted      int64           `json:"accepted"`       // connections since the start
	Fast          int64           `json:"fast"`           // requests that the event loops sent
	General       int64           `json:"general"`        // requests that the general path served, from the start or in the end
	LogDropped    int64           `json:"log_dropped"`    // access log lines lost
	Uptime        time.Duration   `json:"uptime"`
	Services      []ServiceStatus `json:"services"`
}

// Parts of a table that a proxy of an older Segue passes over, although requests
// would go astray without them.
const (
	KnowsSplit       = "split"
	KnowsMaintenance = "maintenance"
	KnowsFlags       = "flags"
)

// ServiceStatus is one service's part of Status.
type ServiceStatus struct {
	Name        string           `json:"name"`
	Requests    int64            `json:"requests"`
	Retries     int64            `json:"retries"`
	Held        int64            `json:"held"`                  // waiting now
	Writes      int64            `json:"writes,omitempty"`      // requests in flight that may change something, upgrades among them
	Paused      time.Duration    `json:"paused,omitempty"`      // how long its requests are still parked
	Closed      string           `json:"closed,omitempty"`      // what is refused for maintenance: "writes" or "all"
	Certificate string           `json:"certificate,omitempty"` // why the newest is not in use
	Releases    []ReleaseStatus  `json:"releases,omitempty"`    // those that were asked since the proxy began
	Mirror      *MirrorStatus    `json:"mirror,omitempty"`      // of the copies
	Shedding    *SheddingStatus  `json:"shedding,omitempty"`    // nil: the table has none
	Instances   []InstanceStatus `json:"instances"`             // those that only get copies last
}

// States of an instance.
const (
	StateRouted   = "routed"   // may be chosen
	StateDraining = "draining" // has requests or connections left
	StateGone     = "gone"     // has none; told of for a while
)

// InstanceStatus is one instance's part of Status.
type InstanceStatus struct {
	ID        string `json:"id"`
	Release   string `json:"release"`
	State     string `json:"state"`
	InFlight  int    `json:"inflight"`
	Conns     int    `json:"conns"`
	Requests  int64  `json:"requests"` // attempts sent or tried
	Failures  int64  `json:"failures"` // refused, closed, timed out, malformed
	Errors5xx int64  `json:"errors_5xx"`
	Aside     bool   `json:"aside,omitempty"` // put aside for a moment, as it refuses connections
	// Ejected is how long it is still put aside, as it failed again and again.
	Ejected time.Duration `json:"ejected,omitempty"`
}

func (p *proxy) status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.table.Load()
	open, accepted := p.conns.count()
	st := Status{
		Version: p.version, PID: os.Getpid(), Knows: []string{KnowsSplit, KnowsMaintenance, KnowsFlags}, ConfigVersion: t.config.Version, Leaving: p.leaving.Load(),
		Listeners: sortedKeys(p.listeners), Connections: open, Accepted: accepted,
		Fast: p.fastRequests(), General: p.general.Load(), LogDropped: p.logf.dropped.Load(), Uptime: time.Since(p.began),
	}
	for _, s := range t.config.Services {
		tg := t.targets[s.Name]
		ss := ServiceStatus{
			Name: s.Name, Requests: tg.requests.Load(), Retries: tg.retries.Load(), Held: tg.held.Load(), Writes: tg.writes.Load(), Closed: tg.closedTo(p.clock()), Paused: tg.paused(p.clock()),
			Certificate: p.certs.problem(s), Mirror: tg.mirrorStatus(), Shedding: tg.shedding(), Instances: p.instancesOf(tg),
		}
		ss.Releases = tg.stats.status()
		if copies := t.targets[mirrorName(s.Name)]; copies != nil {
			ss.Releases = addCopies(ss.Releases, copies.stats.known())
			ss.Instances = append(ss.Instances, p.instancesOf(copies)...)
		}
		st.Services = append(st.Services, ss)
	}
	return st
}

// instancesOf tells of a service's instances, then of those that it had; p.mu
// is held.
func (p *proxy) instancesOf(tg *target) []InstanceStatus {
	out := []InstanceStatus{}
	for _, in := range tg.instances {
		out = append(out, in.status(p.clock()))
	}
	for _, in := range p.retired {
		if in.service == tg.service {
			out = append(out, in.status(p.clock()))
		}
	}
	return out
}

func (in *instance) status(now int64) InstanceStatus {
	s := InstanceStatus{
		ID: in.ID, Release: in.Release, State: StateRouted, InFlight: int(in.inflight.Load()), Conns: in.pool.count(),
		Requests: in.requests.Load(), Failures: in.failures.Load(), Errors5xx: in.answers5xx.Load(),
		Aside: in.asideUntil.Load() > now, Ejected: time.Duration(max(in.outUntil.Load()-now, 0)),
	}
	switch {
	case in.isGone():
		s.State = StateGone
	case !in.routed.Load():
		s.State = StateDraining
	}
	return s
}

// controlServer gives the server of the control API; stop lets its handlers
// finish what they say and ends it.
func (p *proxy) controlServer() (server *http.Server, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	server = &http.Server{
		Handler:           p.controlMux(),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
	}
	return server, func() {
		cancel() // long polls answer with what they know
		grace, done := context.WithTimeout(context.Background(), 2*time.Second)
		defer done()
		if server.Shutdown(grace) != nil {
			server.Close()
		}
	}
}

func (p *proxy) controlMux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /apply", p.handleApply)
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { reply(w, p.status()) })
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		var b bytes.Buffer
		p.writeMetrics(&b)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Write(b.Bytes())
	})
	mux.HandleFunc("GET /idle", p.handleIdle)
	mux.HandleFunc("POST /drain", p.handleDrain)
	mux.HandleFunc("POST /cut", p.handleCut)
	mux.HandleFunc("POST /down", func(w http.ResponseWriter, r *http.Request) {
		p.down(r.FormValue("instance"))
		reply(w, struct{}{})
	})
	mux.HandleFunc("POST /quit", p.handleQuit)
	mux.HandleFunc("GET /listeners", p.handleListeners)
	mux.HandleFunc("GET /listeners/add", p.handleAddListeners)
	mux.HandleFunc("POST /listeners/remove", p.handleRemoveListeners)
	return mux
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

type failure struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(failure{err.Error()})
}

func (p *proxy) handleApply(w http.ResponseWriter, r *http.Request) {
	var c Config
	// What we do not know is passed over: while Segue is upgraded, a proxy gets
	// tables of an agent that is newer than it is, and must go on routing.
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("configuration: %w", err))
		return
	}
	if err := p.apply(c); err != nil {
		fail(w, http.StatusUnprocessableEntity, err)
		return
	}
	reply(w, struct{}{})
}

type idleReply struct {
	Routed   bool `json:"routed"`
	InFlight int  `json:"inflight"`
	Idle     bool `json:"idle"` // no request and no connection is left
}

// handleIdle waits for at most the duration wait.
func (p *proxy) handleIdle(w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(r.FormValue("wait"))
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), d)
	defer cancel()
	out := idleReply{Idle: true}
	for _, in := range p.find(r.FormValue("instance")) {
		if in.routed.Load() {
			out = idleReply{Routed: true, InFlight: int(in.inflight.Load())}
			break
		}
		out.InFlight += in.waitIdle(ctx)
		out.Idle = out.Idle && in.isGone()
	}
	reply(w, out)
}

// handleDrain asks the exchanges of an instance to end after the duration timeout.
func (p *proxy) handleDrain(w http.ResponseWriter, r *http.Request) {
	timeout, err := time.ParseDuration(r.FormValue("timeout"))
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	if err := p.drainInstance(r.FormValue("instance"), timeout); err != nil {
		fail(w, http.StatusConflict, err)
		return
	}
	reply(w, struct{}{})
}

func (p *proxy) handleCut(w http.ResponseWriter, r *http.Request) {
	for _, in := range p.find(r.FormValue("instance")) {
		if in.routed.Load() {
			fail(w, http.StatusConflict, fmt.Errorf("instance %s is still routed: apply a table without it first", in.ID))
			return
		}
		in.cut()
	}
	reply(w, struct{}{})
}

// handleQuit answers when our copies of the listening sockets are closed.
func (p *proxy) handleQuit(w http.ResponseWriter, _ *http.Request) {
	p.quitNow.Do(func() { close(p.quit) })
	<-p.gone
	reply(w, struct{}{})
}

func (p *proxy) handleRemoveListeners(w http.ResponseWriter, r *http.Request) {
	var keys []string
	if err := json.NewDecoder(r.Body).Decode(&keys); err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	p.removeListeners(keys)
	reply(w, struct{}{})
}

// descriptors is the protocol that a control connection is upgraded to when
// descriptors are to pass over it.
const descriptors = "segue-descriptors"

func upgradeControl(w http.ResponseWriter, r *http.Request) (*net.UnixConn, error) {
	if r.Header.Get("Upgrade") != descriptors {
		err := fmt.Errorf("needs Upgrade: %s", descriptors)
		fail(w, http.StatusUpgradeRequired, err)
		return nil, err
	}
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	_, err = fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", descriptors)
	if err != nil {
		c.Close()
		return nil, err
	}
	return c.(*net.UnixConn), nil
}

func (p *proxy) handleListeners(w http.ResponseWriter, r *http.Request) {
	files, err := p.listenerFiles()
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
	c, err := upgradeControl(w, r)
	if err != nil {
		return
	}
	defer c.Close()
	if err := sendFiles(c, files); err != nil {
		p.log.Error("listeners could not be handed over", "error", err)
	}
}

func (p *proxy) listenerFiles() (map[string]*os.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	files := map[string]*os.File{}
	for key, l := range p.listeners {
		f, err := l.ln.File()
		if err != nil {
			return files, err
		}
		files[key] = f
	}
	return files, nil
}

func (p *proxy) handleAddListeners(w http.ResponseWriter, r *http.Request) {
	c, err := upgradeControl(w, r)
	if err != nil {
		return
	}
	defer c.Close()
	var out failure
	// The client waits for the 101 before it sends, so nothing of its stands in
	// a buffer of net/http.
	files, err := receiveFiles(c)
	if err == nil {
		err = p.addListeners(files)
	}
	if err != nil {
		out.Error = err.Error()
	}
	json.NewEncoder(c).Encode(out)
}
