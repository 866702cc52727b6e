package agent

import (
	"context"
	"maps"
	"os"
	"slices"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/proxy"
)

// Status implements control.Agent.
func (a *Agent) Status(ctx context.Context) (control.Status, error) {
	st := control.Status{
		Agent:    control.AgentStatus{PID: os.Getpid(), Version: a.o.Version, State: a.o.State, Began: a.began},
		Services: []control.ServiceStatus{},
	}
	counts := a.proxy.status(ctx, &st.Proxy)
	for _, s := range a.all() {
		if x := s.status(counts); x.Release != 0 || x.Rollout != nil || len(x.Instances) > 0 {
			st.Services = append(st.Services, x)
		}
	}
	return st, nil
}

// status fills in what the proxy tells of itself, and returns its counts.
func (h *proxyHost) status(ctx context.Context, st *control.ProxyStatus) proxy.Status {
	h.mu.Lock()
	p := h.current
	st.Problem = h.problem
	h.mu.Unlock()
	if p == nil {
		return proxy.Status{}
	}
	st.PID = p.proc.PID()
	st.Listening = slices.Sorted(maps.Keys(h.a.sockets.all()))
	counts, err := p.client.Status(ctx)
	if err != nil {
		st.Problem = err.Error()
		return proxy.Status{}
	}
	st.Version, st.Connections = counts.Version, counts.Connections
	return counts
}

func (s *service) status(counts proxy.Status) control.ServiceStatus {
	_, listen := s.routing()
	x := control.ServiceStatus{Name: s.name, Listen: listen, Via: s.spec(s.aim()).Via, Rollout: s.underWay(), Stage: s.stageStatus(), Paused: s.paused(), Maintenance: s.closingShown(), Shedding: s.sheddingShown(), Closed: s.closedNow(), Source: s.sourceNow().status(), Locked: s.a.gate.lockedBy(s.name), Instances: []control.InstanceStatus{}}
	s.mu.Lock()
	x.Release, x.Replicas, x.Problem = s.current.Release, s.current.Replicas, s.problem
	notes := maps.Clone(s.notes)
	unready := maps.Clone(s.unready)
	s.mu.Unlock()
	at := map[string]proxy.InstanceStatus{}
	for _, c := range counts.Services {
		if c.Name == s.name {
			x.Held, x.Mirror, x.Certificate = c.Held, mirrorStatus(c.Mirror), c.Certificate
			for _, i := range c.Instances {
				at[i.ID] = i
			}
		}
	}
	x.Preparing, x.Contract = s.whoPrepares(), s.contractStatus()
	x.Notify = s.a.outbox.status(s.name)
	for _, i := range s.fleet.List() {
		n := at[i.ID]
		x.Instances = append(x.Instances, control.InstanceStatus{Instance: i, InFlight: n.InFlight, Requests: n.Requests, Aside: n.Ejected > 0 || n.Aside,
			Ready: (i.State == deploy.Ready || i.State == deploy.Serving) && !unready[i.ID], Progress: notes[i.ID]})
	}
	return x
}
