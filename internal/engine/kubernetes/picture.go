package kubernetes

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A Picture is what a service is made of in the cluster, at one moment. It is
// the caller's own.
type Picture struct {
	Deployments []Deployment `json:"deployments"`    // by name
	Pods        []Pod        `json:"pods"`           // of those Deployments, the oldest first
	Jobs        []Job        `json:"jobs,omitempty"` // hooks and drills, by name
	// Stale are the names of pods that are no more, and of which an EndpointSlice
	// says that they serve: requests are still sent to where they were.
	Stale []string `json:"stale,omitempty"`
}

// Deployment is how far one of the service's Deployments is.
type Deployment struct {
	Name      string `json:"name"`
	Release   int    `json:"release,omitempty"` // of its template; 0 unknown
	Image     string `json:"image"`
	Template  string `json:"template,omitempty"` // hash of its newest template, which its pods carry; "" until there is one
	Wanted    int    `json:"wanted"`             // replicas asked for
	Pods      int    `json:"pods"`               // that there are, old and new, without those that leave
	Updated   int    `json:"updated"`            // of Pods, those of the newest template
	Ready     int    `json:"ready"`              // of Pods
	Available int    `json:"available"`          // of Pods: ready for minReadySeconds

	// Seen: its controller has taken notice of its newest form. Until then the
	// rest speaks of the one before.
	Seen bool `json:"seen"`
	// Settled: Seen, all Pods are of the newest template and available, as many
	// as Wanted. Pods that leave may still be there.
	Settled bool `json:"settled"`
	// Stuck is why it gets no further, in the cluster's words: its progress
	// deadline is over, or pods cannot be made at all (quota, admission). "" while
	// there is hope.
	Stuck   string `json:"stuck,omitempty"`
	Expired bool   `json:"expired,omitempty"` // the progress deadline is over
	Leaving bool   `json:"leaving,omitempty"` // being deleted

	form form
}

// form tells an object's forms apart.
type form struct {
	uid        string
	generation int64
	made       time.Time
}

// Job is a run of a command in the cluster.
type Job struct {
	Name     string    `json:"name"`
	Active   int       `json:"active,omitempty"`
	Done     bool      `json:"done,omitempty"`
	Failed   string    `json:"failed,omitempty"` // why; "" it has not
	Finished time.Time `json:"finished,omitzero"`
}

// Deployment is the one of a name; false if there is none.
func (p Picture) Deployment(name string) (Deployment, bool) {
	for _, d := range p.Deployments {
		if d.Name == name {
			return d, true
		}
	}
	return Deployment{}, false
}

// Of are the pods of a Deployment.
func (p Picture) Of(deployment string) []Pod {
	var of []Pod
	for _, pod := range p.Pods {
		if pod.Deployment == deployment {
			of = append(of, pod)
		}
	}
	return of
}

// parts are what a Picture is drawn from: as little of each object as it takes.
type parts struct {
	deployments map[string]Deployment
	templates   map[string]template // by ReplicaSet
	pods        map[string]Pod
	slices      map[string][]endpoint // by EndpointSlice
	jobs        map[string]Job
	notes       notes

	// outdated reports that a Deployment has another form by now, which the
	// watches have not brought yet.
	outdated func(Deployment) bool
}

// template is a ReplicaSet, which has the pods of one form of a Deployment.
type template struct {
	uid, deployment, hash string
	revision              int
}

// endpoint is a pod in an EndpointSlice.
type endpoint struct {
	pod, zone       string
	serving, routed bool
	services        []string // that route to it
}

func newParts(outdated func(Deployment) bool) *parts {
	return &parts{
		deployments: map[string]Deployment{}, templates: map[string]template{}, pods: map[string]Pod{},
		slices: map[string][]endpoint{}, jobs: map[string]Job{}, notes: notes{}, outdated: outdated,
	}
}

// draw puts the parts together.
func (k *parts) draw() Picture {
	newest := k.newest()
	var p Picture
	for _, d := range k.deployments {
		t := newest[d.Name]
		d.Template = t.hash
		if e, ok := k.notes.newest(t.uid, "FailedCreate"); ok && d.Stuck == "" && d.Pods < d.Wanted && d.Updated == 0 {
			d.Stuck = e.text
		}
		p.Deployments = append(p.Deployments, d)
	}
	slices.SortFunc(p.Deployments, func(a, b Deployment) int { return cmp.Compare(a.Name, b.Name) })
	p.Jobs = slices.SortedFunc(maps.Values(k.jobs), func(a, b Job) int { return cmp.Compare(a.Name, b.Name) })
	p.Pods = make([]Pod, 0, len(k.pods))
	listed := k.listed()
	for name, e := range listed {
		if _, is := k.pods[name]; !is && e.serving {
			p.Stale = append(p.Stale, name)
		}
	}
	slices.Sort(p.Stale)
	for _, name := range k.byAge() {
		pod := k.pods[name]
		if e, ok := listed[pod.Name]; ok {
			pod.Listed, pod.Serving, pod.Routed, pod.Services = true, e.serving, e.routed, e.services
			pod.Zone = cmp.Or(pod.Zone, e.zone)
		}
		pod.Current = pod.Template != "" && pod.Template == newest[pod.Deployment].hash
		k.notes.explain(&pod)
		p.Pods = append(p.Pods, pod)
	}
	return p
}

// doubt takes back what is said of Deployments that have another form by now. That
// is no part of drawing: they get it by us, and without news.
func (k *parts) doubt(all []Deployment) {
	for i, d := range all {
		if k.outdated(d) {
			all[i].Seen, all[i].Settled, all[i].Stuck, all[i].Expired = false, false, "", false
		}
	}
}

// byAge are the names of the pods, the oldest first.
func (k *parts) byAge() []string {
	type aged struct {
		born int64
		name string
	}
	pods := make([]aged, 0, len(k.pods))
	for name, p := range k.pods {
		pods = append(pods, aged{p.Born.Unix(), name}) // the cluster counts seconds
	}
	slices.SortFunc(pods, func(a, b aged) int { return cmp.Or(cmp.Compare(a.born, b.born), cmp.Compare(a.name, b.name)) })
	names := make([]string, len(pods))
	for i, p := range pods {
		names[i] = p.name
	}
	return names
}

// newest is each Deployment's ReplicaSet of the highest revision.
func (k *parts) newest() map[string]template {
	newest := map[string]template{}
	for _, t := range k.templates {
		if t.revision >= newest[t.deployment].revision {
			newest[t.deployment] = t
		}
	}
	return newest
}

// listed is what all EndpointSlices together say of each pod.
func (k *parts) listed() map[string]endpoint {
	all := map[string]endpoint{}
	for _, list := range k.slices {
		for _, e := range list {
			seen := all[e.pod]
			all[e.pod] = endpoint{
				zone: cmp.Or(e.zone, seen.zone), serving: e.serving || seen.serving, routed: e.routed || seen.routed,
				services: slices.Concat(seen.services, e.services),
			}
		}
	}
	return all
}

// deploymentOf is what a Deployment says of itself.
func deploymentOf(d *appsv1.Deployment) Deployment {
	release, _ := strconv.Atoi(d.Spec.Template.Labels[LabelRelease]) // none from `segue render`
	of := Deployment{
		Name: d.Name, Release: release, Wanted: 1, form: formOf(d),
		Pods: int(d.Status.Replicas), Updated: int(d.Status.UpdatedReplicas), Ready: int(d.Status.ReadyReplicas), Available: int(d.Status.AvailableReplicas),
		Seen: d.Status.ObservedGeneration >= d.Generation, Leaving: d.DeletionTimestamp != nil,
	}
	if d.Spec.Replicas != nil {
		of.Wanted = int(*d.Spec.Replicas)
	}
	if c := d.Spec.Template.Spec.Containers; len(c) > 0 {
		of.Image = c[0].Image
	}
	of.Settled = of.Seen && of.Pods == of.Wanted && of.Updated == of.Wanted && of.Available == of.Wanted
	for _, c := range d.Status.Conditions {
		switch {
		case !of.Seen:
		case c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue:
			of.Stuck = c.Message
		case c.Type == appsv1.DeploymentProgressing && c.Reason == "ProgressDeadlineExceeded":
			of.Expired = true
		}
	}
	if of.Expired && of.Stuck == "" {
		of.Stuck = "no pod has become ready within its progress deadline"
	}
	return of
}

func formOf(o metav1.Object) form {
	return form{uid: string(o.GetUID()), generation: o.GetGeneration(), made: o.GetCreationTimestamp().Time}
}

func templateOf(r *appsv1.ReplicaSet) template {
	revision, _ := strconv.Atoi(r.Annotations["deployment.kubernetes.io/revision"]) // its controller's own: always a number
	t := template{uid: string(r.UID), hash: r.Labels["pod-template-hash"], revision: revision}
	for _, o := range r.OwnerReferences {
		if o.Kind == "Deployment" {
			t.deployment = o.Name
		}
	}
	return t
}

// endpointsOf are the pods that a slice lists. Its conditions may be unset:
// ready then means yes, and serving is like ready.
func endpointsOf(s *discoveryv1.EndpointSlice) []endpoint {
	var list []endpoint
	for _, e := range s.Endpoints {
		if e.TargetRef == nil || e.TargetRef.Kind != "Pod" {
			continue
		}
		ready := e.Conditions.Ready == nil || *e.Conditions.Ready
		serving := ready
		if e.Conditions.Serving != nil {
			serving = *e.Conditions.Serving
		}
		to := endpoint{pod: e.TargetRef.Name, serving: serving, routed: ready}
		if e.Zone != nil {
			to.zone = *e.Zone
		}
		if ready {
			to.services = []string{s.Labels[discoveryv1.LabelServiceName]}
		}
		list = append(list, to)
	}
	return list
}

func jobOf(j *batchv1.Job) Job {
	of := Job{Name: j.Name, Active: int(j.Status.Active)}
	for _, c := range j.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case batchv1.JobComplete:
			of.Done, of.Finished = true, c.LastTransitionTime.Time
		case batchv1.JobFailed:
			of.Failed, of.Finished = said(c.Reason, c.Message), c.LastTransitionTime.Time
		}
	}
	return of
}
