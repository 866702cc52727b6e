package agent

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// metricsServer serves Prometheus metrics where segue.yaml says, and nowhere
// if it says nothing.
type metricsServer struct {
	agent *Agent

	mu     sync.Mutex
	addr   string
	server *http.Server
}

// apply listens where the settings say, at the agent's start.
func (m *metricsServer) apply(context.Context) {
	if err := m.listen(m.agent.settings.Metrics); err != nil {
		m.agent.log.Error("metrics", "error", err) // no reason not to run services
	}
	m.agent.tasks.Go(func() {
		<-m.agent.living.Done()
		_ = m.listen("")
	})
}

// listen serves at addr from now on, "" nowhere.
func (m *metricsServer) listen(addr string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if addr == m.addr {
		return nil
	}
	var l net.Listener
	if addr != "" {
		var err error
		if l, err = net.Listen("tcp", addr); err != nil {
			return fmt.Errorf("metrics: listen on %s: %w", addr, err)
		}
	}
	if m.server != nil {
		_ = m.server.Close() // a scrape that is cut is asked for again
	}
	m.addr, m.server = addr, nil
	if l != nil {
		m.server = &http.Server{Handler: http.HandlerFunc(m.serve), ReadHeaderTimeout: 5 * time.Second}
		server := m.server
		m.agent.tasks.Go(func() { _ = server.Serve(l) }) // ends with ErrServerClosed
	}
	return nil
}

func (m *metricsServer) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/metrics" {
		http.NotFound(w, r)
		return
	}
	text, err := m.agent.Metrics(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(text) // a scraper that has gone needs nothing
}

// Metrics implements control.Agent: the proxy's, and which instances there are.
func (a *Agent) Metrics(ctx context.Context) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# HELP segue_instances Instances by service, release and state.\n# TYPE segue_instances gauge\n")
	for _, s := range a.all() {
		count := map[[2]string]int{}
		for _, i := range s.fleet.List() {
			count[[2]string{fmt.Sprint(i.Release), string(i.State)}]++
		}
		for k, n := range count {
			fmt.Fprintf(&b, "segue_instances{service=%q,release=%q,state=%q} %d\n", s.name, k[0], k[1], n)
		}
	}
	fmt.Fprintf(&b, "# HELP segue_rollout_in_progress Whether a rollout is under way.\n# TYPE segue_rollout_in_progress gauge\n")
	for _, s := range a.all() {
		n := 0
		if s.underWay() != nil {
			n = 1
		}
		fmt.Fprintf(&b, "segue_rollout_in_progress{service=%q} %d\n", s.name, n)
	}
	p := a.proxy.now()
	if p == nil {
		return b.Bytes(), nil
	}
	text, err := p.client.Metrics(ctx)
	if err != nil {
		return nil, fmt.Errorf("metrics of the proxy: %w", err)
	}
	b.Write(text)
	return b.Bytes(), nil
}
