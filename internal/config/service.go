package config

import (
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// assemble decodes the tree and applies the rules that span several keys.
// Problems go to r.
func assemble(r *report, root *node, dir string, lookup Lookup) *File {
	legal := newPlaces()
	var doc document
	decode(cursor{r: r, lookup: lookup, n: root}, reflect.ValueOf(&doc).Elem(), legal)
	f := &File{Metrics: string(doc.Metrics), AccessLog: bool(doc.AccessLog)}
	top := scope{r: r, lookup: lookup, dir: dir, name: root, root: root}
	if top.has("services") {
		f.Services = several(top, &doc)
	} else {
		f.Services = single(top, &doc)
	}
	top.ofrep(f, string(doc.OFREP))
	checkTogether(top, f)
	return f
}

// single builds the one service that stands at the top of the file.
func single(top scope, doc *document) []Service {
	key, name := top.root.get("service")
	if key == nil {
		top.r.failAt(top.root.line, top.root.col, "service", "the service has no name", "start the file with service: NAME")
		return nil
	}
	top.name = name
	if !top.failed("service") {
		top.checkName("service", string(doc.Service))
	}
	return []Service{build(top, string(doc.Service), &doc.settings, nil)}
}

// several builds what stands under services, where nothing else of a service
// may stand beside it.
func several(top scope, doc *document) []Service {
	of := legalKeys(reflect.TypeFor[settings]())
	for _, e := range top.root.entries {
		if e.key.text == "service" || slices.Contains(of, e.key.text) && !slices.Contains(shared, e.key.text) {
			top.r.failAt(e.key.line, e.key.col, e.key.text, "this key belongs to one service, and the file has services", "put it under services.NAME")
		}
	}
	top.calendar(&doc.timing, nil)
	key, list := top.root.get("services")
	if list.kind == mapping && len(list.entries) == 0 {
		top.r.failAt(key.line, key.col, "services", "there is no service in it", "write services: {NAME: {release: …}}")
	}
	var out []Service
	for _, e := range list.entries {
		s := top
		s.name, s.root, s.path = e.key, e.value, "services."+clip(e.key.text)
		s.checkName("", e.key.text)
		if e.value.kind == mapping { // else reported by decode
			out = append(out, build(s, e.key.text, doc.Services[e.key.text], &doc.timing))
		}
	}
	return out
}

func (s scope) checkName(path, name string) {
	if !dnsLabel.MatchString(name) {
		s.fail(path, "the name is no DNS label", "use up to 63 lower-case letters, digits and dashes, with a letter or digit at both ends")
	}
}

// build turns the settings of one service into what the rest of segue works
// with. all is what the file says for all its services, nil where there is only
// this one.
func build(s scope, name string, set *settings, all *timing) Service {
	out := Service{Line: s.name.line, Column: s.name.col}
	worker := !s.has("listen")
	out.Service = deploy.Service{
		Name:     name,
		Listen:   set.Listen,
		Routes:   s.routes(set.Routes, worker),
		Build:    string(set.Release.Build),
		Files:    s.files(set.Release.Files),
		Command:  s.command(set.Release.Command),
		Replicas: int(set.Replicas),
		Via:      s.via(set, worker),
		Socket:   deploy.Socket{PerInstance: bool(set.Socket.PerInstance)},
		Drain:    deploy.Drain{Delay: time.Duration(set.Drain.Delay), Timeout: time.Duration(set.Drain.Timeout), Spread: time.Duration(set.Drain.Spread)},
		Stop:     deploy.Stop{Signal: strings.TrimPrefix(string(set.Stop.Signal), "SIG"), Timeout: time.Duration(set.Stop.Timeout)},
		Limits:   deploy.Limits{Memory: int64(set.Limits.Memory), CPU: float64(set.Limits.CPU)},
		Logs:     deploy.Logs{MaxSize: int64(set.Logs.MaxSize), Keep: int(set.Logs.Keep)},
		Keep:     int(set.Keep),
	}
	out.TLS = s.tls(set.TLS, &out.Service, worker)
	out.Probes = s.probes(&set.Probes, out.Via)
	s.strategy(&out.Service, set)
	switch out.Via {
	case deploy.ViaProxy:
		out.Proxy = s.proxy(&set.Proxy)
		s.checkProxied()
		s.bytes(&out.Proxy)
		s.extras(&out.Proxy, name, &set.Proxy)
	case deploy.ViaSocket:
		s.checkSocket(&out.Service, set)
	default:
		s.checkWorker()
	}
	out.Env = s.environment(set, out.Proxied())
	out.Store = s.store(string(set.Store), out.Env)
	out.Hooks, out.Prepare = s.hooks(&set.Hooks), s.prepare(set.Prepare)
	s.judgement(&out.Service, &set.Strategy.judgement, out.Env)
	out.Maintenance, out.ReadEnv = s.maintenance(set.Maintenance, out.Via, out.Proxy.Protocol)
	out.Shedding = s.shedding(set.Shedding, out.Via, out.Proxy.Protocol)
	out.Skew, out.Breaking = s.skew(set.Skew, out.Via, out.Proxy.Protocol), bool(set.Release.Breaking)
	out.Flags, out.FlagsFile = s.flags(string(set.Flags))
	out.Notify = s.notifications(set.Notify, out.Env)
	out.Migrate = s.migrate(set.Migrate, out.Files, out.Env)
	out.EnvNames = out.Env.Names()
	out.Calendar, out.Source = s.calendar(&set.timing, all), s.source(set.Source)
	out.Dir = s.sourceDir(string(set.Release.Dir))
	s.engine(&out.Service, set)
	out.PodEnv = s.podEnv(set.Kubernetes)
	return out
}

// checkWorker refuses what only makes sense for requests.
func (s scope) checkWorker() {
	for _, path := range []string{"via", "proxy", "socket"} {
		if s.has(path) {
			s.fail(path, "this service is a worker, so no request reaches it", "take it out, or give the service a listen address")
		}
	}
	if s.has("drain") {
		s.warn("drain", "a worker has no requests to drain", "the time it may take to finish its work is stop.timeout")
	}
}

// sourceDir is release.dir as an absolute path.
func (s scope) sourceDir(dir string) string {
	if dir == "" && !s.failed("release") {
		s.fail("release.dir", "the folder has no name", "write . for the folder of this file")
	}
	return s.absolute(dir)
}

func (s scope) absolute(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(s.dir, name)
}

// files checks what a release keeps: nothing outside the source folder, for a
// release must hold all it needs.
func (s scope) files(names words) []string {
	out := make([]string, 0, len(names))
	for i, name := range names {
		if name == "" {
			continue
		}
		item := s.item("release.files", i)
		if bad := checkFile(name, clip(item.text)); bad != nil {
			s.r.failAt(item.line, item.col, join(s.path, "release.files"), bad.what, bad.mend)
			continue
		}
		out = append(out, path.Clean(name))
	}
	return out
}

func checkFile(name, shown string) *flaw {
	if strings.HasPrefix(name, "/") || strings.HasPrefix(name, "~") {
		return &flaw{shown + " is no relative path", "name it relative to release.dir; a release only keeps what is in there"}
	}
	for _, part := range strings.Split(name, "/") {
		switch {
		case part == "..":
			return &flaw{shown + " leads out of the source folder", "set release.dir to a folder that holds all files"}
		case strings.Contains(part, "**"):
			return &flaw{shown + " holds **, which segue does not know", "name the folder: it is taken with all that is in it"}
		}
	}
	if _, err := path.Match(name, ""); err != nil {
		return &flaw{shown + " is no valid pattern", "close the [ or write \\[ for the character itself"}
	}
	return nil
}

func (s scope) command(words argv) []string {
	if !s.has("release.command") && !s.broken("release.command") && !s.failed("release.command") {
		s.fail("release.command", "the service has no command", "say what to run, such as release: {command: bin/shop}")
	}
	return words
}

// proxy fills in the settings of the path that requests take.
func (s scope) proxy(set *proxySettings) deploy.Proxy {
	return deploy.Proxy{
		Protocol:      deploy.Protocol(set.Protocol),
		HoldTimeout:   time.Duration(set.Hold.Timeout),
		HoldMax:       int(set.Hold.Max),
		HeaderTimeout: time.Duration(set.Timeouts.Header),
		BodyTimeout:   time.Duration(set.Timeouts.Body),
		IdleTimeout:   time.Duration(set.Timeouts.Idle),
		AnswerTimeout: time.Duration(set.Timeouts.Answer),
		UpstreamIdle:  time.Duration(set.Timeouts.UpstreamIdle),
		Goodbye:       string(set.Goodbye),
		GoodbyeAfter:  time.Duration(set.Timeouts.Goodbye),
		MaxHeader:     int64(set.MaxHeader),
		MaxBody:       int64(set.MaxBody),
		Replay:        int64(set.Replay),
		Trusted:       s.networks("proxy.trusted", set.Trusted),
		AcceptProxy:   s.networks("proxy.proxy_protocol.accept", set.ProxyProtocol.Accept),
		SendProxy:     string(set.ProxyProtocol.Send),
	}
}
