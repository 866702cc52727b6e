package config

import (
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// engine fills in who runs the service, and what they need to know.
func (s scope) engine(out *deploy.Service, set *settings) {
	if set.Engine != "process" { // the empty one, so that it makes no other release
		out.Engine = deploy.EngineType(set.Engine)
	}
	out.Kubernetes, out.ECS = s.kubernetes(out, set.Kubernetes), s.ecs(set.ECS)
	switch out.Engine {
	case deploy.EngineKubernetes:
		if k := out.Kubernetes; (k == nil || k.Image == "" && k.Repository == "") && !s.failed("kubernetes") {
			s.fail("kubernetes", "nothing says which image the pods run", "write kubernetes: {repository: registry.example.com/NAME} for one that Segue builds and pushes, or image: for one that is there")
		}
		s.elsewhere(out, "Kubernetes")
	case deploy.EngineECS:
		if c := out.ECS; (c == nil || c.Image == "" && c.Repository == "") && !s.failed("ecs") {
			s.fail("ecs", "nothing says which image the tasks run", "write ecs: {repository: …} for one that Segue builds and pushes, or image: for one that is there")
		}
		s.elsewhere(out, "ECS")
	}
}

// elsewhere tells of what only Segue's own proxy and agent do.
func (s scope) elsewhere(out *deploy.Service, where string) {
	if out.Inherits() {
		s.warn("via", "nobody passes sockets on there", "the program must listen on $PORT, as Segue's lifecycle package does by itself; or take via out")
	}
	if p := out.Probes.Startup; p != nil && p.Notify {
		s.fail("probes.startup.notify", where+" knows no sd_notify", "ask by http, tcp or exec, or leave the startup probe to readiness")
	}
	if out.Store != "" {
		s.fail("store", "pods and tasks of several machines share no file", "say under env where the store is, as SEGUE_STORE: redis://… or postgres://…")
	}
	s.flagsElsewhere(where)
	if out.TLS != nil {
		s.warn("tls", "on "+where+" the pods speak cleartext, and nothing of Segue's ends TLS in front of them", "give the certificate to what stands in front")
	}
	if out.Strategy.Analysis != nil && s.has("strategy.analysis") && len(out.Strategy.Checks) == 0 {
		s.warn("strategy.analysis", "it compares what Segue's proxy counts, and there is none on "+where, "say by strategy.checks what to ask (Prometheus, for one)")
	}
}

func (s scope) kubernetes(out *deploy.Service, set *kubernetes) *deploy.Kubernetes {
	if set == nil {
		return nil
	}
	k := &deploy.Kubernetes{
		Context: string(set.Context), Namespace: string(set.Namespace),
		Image: string(set.Image), Repository: string(set.Repository), Base: string(set.Base), Segue: string(set.Segue),
		Deregistration: time.Duration(set.Deregistration),
		Front: deploy.Front{Gateway: string(set.Front.Gateway), Ingress: string(set.Front.Ingress), TLSSecret: string(set.Front.TLSSecret),
			LoadBalancer: bool(set.Front.LoadBalancer)},
		Jobs: s.cronJobs(set.Jobs), Rollouts: bool(set.Rollouts), User: int64(set.User), Writable: set.Writable,
		Requests:       deploy.Limits{Memory: int64(set.Requests.Memory), CPU: float64(set.Requests.CPU)},
		ServiceAccount: string(set.ServiceAccount), PullSecrets: set.PullSecrets, Labels: set.Labels, Annotations: set.Annotations,
	}
	if k.Namespace != "" && !dnsLabel.MatchString(k.Namespace) {
		s.fail("kubernetes.namespace", "this is no name of a namespace", "use lower-case letters, digits and dashes")
	}
	s.image("kubernetes", k.Image, k.Repository, k.Base)
	s.front(out, &k.Front)
	k.Autoscale = s.autoscale(out, k, set.Autoscale)
	s.kubernetesValues(k)
	if d := set.Drill; d != nil {
		k.Drill = &deploy.ClusterDrill{Rate: float64(d.Rate), Path: string(d.Path), Lost: int(d.Lost), Image: string(d.Image)}
		s.clusterDrill(out, k)
	}
	return k
}

// podEnv checks what is another in pods. It is as secret as the service's own.
func (s scope) podEnv(set *kubernetes) deploy.Environment {
	if set == nil {
		return nil
	}
	s.reservedIn("kubernetes.env", set.Env)
	return deploy.Environment(set.Env)
}

// image checks where a container's image comes from.
func (s scope) image(section, image, repository, base string) {
	if image != "" && repository != "" {
		s.fail(section+".repository", "an image that is built elsewhere is named, and one to build", "take image or repository out")
	}
	if base != "" && repository == "" {
		s.fail(section+".base", "Segue builds no image here", "name the repository to push to, or take base out")
	}
	if last := repository[strings.LastIndexByte(repository, '/')+1:]; strings.ContainsAny(last, ":@") {
		s.fail(section+".repository", "it has a tag or digest", "name the repository alone: each release gets a tag of its own")
	}
}

func (s scope) front(out *deploy.Service, f *deploy.Front) {
	count := 0
	for _, is := range []bool{f.Gateway != "", f.Ingress != "", f.LoadBalancer} {
		if is {
			count++
		}
	}
	switch {
	case count > 0 && out.Worker():
		s.fail("kubernetes.front", "this service is a worker, so no request reaches it", "take it out, or give the service a listen address")
	case count > 1:
		s.fail("kubernetes.front", "more than one thing stands in front", "keep one of gateway, ingress and load_balancer")
	case f.TLSSecret != "" && f.Ingress == "":
		s.fail("kubernetes.front.tls_secret", "only an Ingress takes its certificate from there", "take it out, or name an ingress")
	}
}

func (s scope) autoscale(out *deploy.Service, k *deploy.Kubernetes, set *autoscale) *deploy.Autoscale {
	if set == nil {
		return nil
	}
	a := &deploy.Autoscale{Min: int(set.Min), Max: int(set.Max), CPU: int(set.CPU), Memory: int(set.Memory)}
	if a.Min == 0 {
		a.Min = max(out.Replicas, 1)
	}
	const at = "kubernetes.autoscale"
	switch {
	case a.CPU == 0 && a.Memory == 0:
		s.fail(at, "nothing says what use is aimed at", "write cpu: 70, for instance")
	case a.Max < a.Min:
		s.fail(at+".max", "the most is less than the fewest", "write max: with at least as many")
	case a.CPU > 0 && k.Requests.CPU == 0 && out.Limits.CPU == 0:
		s.fail(at+".cpu", "the share is one of what is requested, and nothing is", "write kubernetes.requests.cpu, or limits.cpu")
	case a.Memory > 0 && k.Requests.Memory == 0 && out.Limits.Memory == 0:
		s.fail(at+".memory", "the share is one of what is requested, and nothing is", "write kubernetes.requests.memory, or limits.memory")
	}
	return a
}

func (s scope) cronJobs(set []cronJob) []deploy.CronJob {
	_, section := s.find("kubernetes.jobs")
	seen := map[string]bool{}
	var out []deploy.CronJob
	for i, j := range set {
		item := section.items[i]
		fail := func(what, mend string) { s.r.failAt(item.line, item.col, join(s.path, "kubernetes.jobs"), what, mend) }
		name := string(j.Name)
		switch _, run := item.get("run"); {
		case item.kind != mapping:
			continue // reported by decode
		case run == nil:
			fail("nothing is to be run", "say run: PROGRAM ARGUMENTS")
		case j.Schedule == "" && !s.r.failed(join(s.path, "kubernetes.jobs")):
			fail("nothing says when", `write schedule: "0 4 * * *", for instance`)
		case !dnsLabel.MatchString(name) || len(name) > 40:
			fail("the job has no name that can be one of Kubernetes", "write name: with up to 40 lower-case letters, digits and dashes")
		case seen[name]:
			fail("two are called "+name, "give one of them another name")
		}
		seen[name] = true
		out = append(out, deploy.CronJob{Name: name, Schedule: string(j.Schedule), Zone: string(j.Zone), Command: j.Run, Timeout: time.Duration(j.Timeout)})
	}
	return out
}

func (s scope) kubernetesValues(k *deploy.Kubernetes) {
	for i, folder := range k.Writable {
		if item := s.item("kubernetes.writable", i); !path.IsAbs(folder) || path.Clean(folder) == "/" {
			s.r.failAt(item.line, item.col, join(s.path, "kubernetes.writable"), clip(item.text)+" is no absolute path of a folder", "write it like /var/cache/shop")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(k.Labels)) {
		if !labelValue.MatchString(k.Labels[name]) {
			s.fail("kubernetes.labels", "the value of "+clip(name)+" can be none of a label", "use up to 63 letters, digits, dashes, dots and underscores; other text can be an annotation")
		}
	}
}

func (s scope) clusterDrill(out *deploy.Service, k *deploy.Kubernetes) {
	switch d := k.Drill; {
	case out.Worker():
		s.fail("kubernetes.drill", "this service is a worker, so no request reaches it", "take it out, or give the service a listen address")
	case !strings.HasPrefix(d.Path, "/"):
		s.fail("kubernetes.drill.path", "a path starts with /", "write path: /health, for instance")
	case d.Image == "" && k.Segue == "" && k.Repository == "":
		s.fail("kubernetes.drill", "there is no image to run the drill from", "name one with segue as its entry point under kubernetes.segue, or a repository, to which Segue pushes one of itself")
	}
}

func (s scope) ecs(set *ecs) *deploy.ECS {
	if set == nil {
		return nil
	}
	s.image("ecs", string(set.Image), string(set.Repository), string(set.Base))
	c := &deploy.ECS{
		Region: string(set.Region), Cluster: string(set.Cluster), Image: string(set.Image), Repository: string(set.Repository), Base: string(set.Base),
		Subnets: set.Subnets, SecurityGroups: set.SecurityGroups, PublicIP: bool(set.PublicIP), TargetGroup: string(set.TargetGroup),
		ExecutionRole: string(set.ExecutionRole), TaskRole: string(set.TaskRole),
		CPU: int(set.CPU), Memory: int(set.Memory), LogGroup: string(set.LogGroup), Secrets: set.Secrets, Plain: set.Plain,
		User: int64(set.User), Writable: set.Writable, Alarms: set.Alarms,
		AlternateTargetGroup: string(set.AlternateTargetGroup), ListenerRule: string(set.ListenerRule),
		TestListenerRule: string(set.TestListenerRule), BalancerRole: string(set.BalancerRole),
	}
	if set.Architecture != "amd64" {
		c.Architecture = string(set.Architecture)
	}
	return c
}
