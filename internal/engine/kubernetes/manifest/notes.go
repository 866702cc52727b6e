package manifest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seguehq/segue/internal/deploy"
)

// Notes tell what of the service's settings is otherwise in a cluster, where no
// proxy of Segue's forwards the requests and no agent starts the program: a
// sentence each, without a full stop.
func Notes(spec *deploy.Service) []string {
	var notes []string
	say := func(is bool, format string, args ...any) {
		if is {
			notes = append(notes, fmt.Sprintf(format, args...))
		}
	}
	k := settings(spec)
	say(spec.Inherits(), "via: socket: nobody passes sockets on; the program has to listen on $PORT, which is %d", Port(spec))
	say(spec.TLS != nil, "tls: the pods speak cleartext; give the certificate to what stands in front")
	say(spec.Probes.Startup != nil && spec.Probes.Startup.Notify, "probes.startup.notify: nobody takes READY=1; the question of readiness is asked for %s in its place", startupBudget)
	say(spec.Proxy.Protocol == deploy.H2C && asksHTTP(spec), "a probe by http: a kubelet asks over HTTP/1.1, which the program must speak beside h2c; or ask by tcp or exec")
	for _, name := range unknownInProbes(spec) {
		say(true, "$%s in a probe's command: a kubelet replaces no variables there; read it in the program", name)
	}
	say(signal(spec) != "", "stop.signal: %s reaches the program where Kubernetes has the feature ContainerStopSignals; elsewhere STOPSIGNAL of the image says the signal", signal(spec))
	say(len(k.Front.Gateway)+len(k.Front.Ingress) == 0 && !spec.Worker() && len(spec.Routes) > 0, "routes: nothing stands in front that could mind hosts and paths; write kubernetes: {front: {gateway: …}}")
	say(len(proxied(spec)) > 0, "proxy: %s: only Segue's own proxy does that, and none stands in front here", strings.Join(proxied(spec), ", "))
	say(resources(spec).Requests == nil, "limits: there are none, and no requests: these pods are the first to go when a node is short of memory")
	return notes
}

func signal(spec *deploy.Service) string {
	if s := spec.Stop.Signal; s != "TERM" {
		return s
	}
	return ""
}

func asked(spec *deploy.Service) []*deploy.Probe {
	return slices.DeleteFunc([]*deploy.Probe{spec.Probes.Startup, spec.Probes.Readiness, spec.Probes.Liveness}, func(p *deploy.Probe) bool { return p == nil })
}

func asksHTTP(spec *deploy.Service) bool {
	return slices.ContainsFunc(asked(spec), func(p *deploy.Probe) bool { return p.HTTP != "" })
}

// unknownInProbes are variables of the service's own in commands of probes.
func unknownInProbes(spec *deploy.Service) []string {
	var names []string
	for _, p := range asked(spec) {
		for _, word := range p.Exec {
			for _, name := range spec.EnvNames {
				if deploy.Expand(word, deploy.Environment{name: ""}) != word && !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// proxied are the settings that somebody has made of what only Segue's proxy does.
func proxied(spec *deploy.Service) []string {
	var names []string
	for _, s := range []struct {
		set  bool
		name string
	}{
		{spec.Proxy.Retry != nil, "retry"}, {spec.Proxy.Outlier != nil, "outlier"}, {spec.Proxy.Mirror != nil, "mirror"},
		{spec.Proxy.Sticky != nil, "sticky"}, {spec.Proxy.Rate != nil, "rate"}, {len(spec.Proxy.Pages) > 0, "pages"},
		{spec.Proxy.MaxBody > 0, "max_body"}, {spec.Proxy.AnswerTimeout > 0, "timeouts.answer"}, {spec.Maintenance != nil, "maintenance"},
		{spec.Shedding != nil, "shedding"},
		{spec.Skew != nil, "skew"},
		{spec.Proxy.SendProxy != "", "send_proxy"}, {len(spec.Proxy.AcceptProxy) > 0, "accept_proxy"},
	} {
		if s.set {
			names = append(names, s.name)
		}
	}
	return names
}
