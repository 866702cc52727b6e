package kubernetes

import (
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A View follows one service by watches. Close ends it. It may be used by any
// number of goroutines.
type View struct {
	service string
	w       *watching
	parts   *parts // guarded by w.mu

	// The latest Picture, and the news that it is older than; guarded by w.mu.
	drawn Picture
	until <-chan struct{}
	took  time.Duration // to draw it
}

// Look begins to watch a service, and returns when a first Picture is whole.
// The View ends with ctx, or by Close.
func (c *Cluster) Look(ctx context.Context, service string) (*View, error) {
	v := &View{service: service, w: c.newWatching(ctx), parts: newParts(c.outdated)}
	for _, k := range v.watches() {
		if err := v.w.add(k); err != nil {
			v.Close()
			return nil, err
		}
	}
	if err := v.w.until(ctx, func() (bool, error) { return true, nil }); err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

// Close ends the watches and waits for them.
func (v *View) Close() { v.w.close() }

// Now is the latest Picture.
func (v *View) Now() Picture {
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	return v.picture()
}

// picture is the latest one, which is drawn but once for all who ask.
func (v *View) picture() Picture {
	if v.until != v.w.news {
		began := time.Now()
		v.drawn, v.until = v.parts.draw(), v.w.news
		v.took = time.Since(began)
	}
	p := Picture{Deployments: slices.Clone(v.drawn.Deployments), Pods: slices.Clone(v.drawn.Pods), Jobs: slices.Clone(v.drawn.Jobs), Stale: slices.Clone(v.drawn.Stale)}
	v.parts.doubt(p.Deployments)
	return p
}

// Away is why what is seen may be old: the error of a watch that is broken. nil
// while all of them stand.
func (v *View) Away() error { return v.w.away() }

// Until asks done of the latest Picture, and again of each newer one, until it
// says true or fails. Pictures that follow each other closely are asked of
// once. It fails when ctx or the View ends, and when the server refuses to be
// watched; that it is away for a while is no failure (Away tells).
func (v *View) Until(ctx context.Context, done func(Picture) (bool, error)) error {
	for {
		var p Picture
		var took time.Duration
		var news <-chan struct{}
		err := v.w.until(ctx, func() (bool, error) {
			p, news = v.picture(), v.w.news
			took = v.took
			return true, nil
		})
		if err != nil {
			return err
		}
		if ok, err := done(p); ok || err != nil {
			return err
		}
		if err := v.next(ctx, news, took); err != nil {
			return err
		}
	}
}

// next waits for news. Where there are thousands of pods, which all have some,
// drawing must not be all that is done: it may take a tenth of the time.
func (v *View) next(ctx context.Context, news <-chan struct{}, took time.Duration) error {
	rest := time.NewTimer(min(10*took, time.Second))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-news:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-v.w.ctx.Done():
		return errEnded
	}
}

// watches are those of a View: one for each kind, whatever the number of pods.
func (v *View) watches() []watched {
	k := v.parts
	named := LabelName + "=" + v.service
	pods := keep("Pod", podsOf(v.service), k.pods, podOf, slimPod)
	forget := pods.drop
	pods.drop = func(obj any) {
		forget(obj)
		if o, ok := obj.(metav1.Object); ok {
			delete(k.notes, string(o.GetUID()))
		}
	}
	return []watched{
		pods,
		keep("Deployment", named, k.deployments, deploymentOf, nil),
		keep("ReplicaSet", named, k.templates, templateOf, nil),
		keep("EndpointSlice", named, k.slices, endpointsOf, nil),
		keep("Job", named, k.jobs, jobOf, nil),
		v.warnings(),
	}
}

// keep has a map hold what of says of each object of a kind, by name.
func keep[T any, O metav1.Object](kind, label string, in map[string]T, of func(O) T, slim func(O)) watched {
	k := watched{
		kind: kind, label: label,
		clear: func() { clear(in) },
		put: func(obj any) {
			o := obj.(O)
			in[o.GetName()] = of(o)
		},
		drop: func(obj any) {
			if o, ok := obj.(metav1.Object); ok {
				delete(in, o.GetName())
			}
		},
	}
	if slim != nil {
		k.slim = func(obj any) {
			if o, ok := obj.(O); ok {
				slim(o)
			}
		}
	}
	return k
}

// slimPod takes what is long and not told from a pod.
func slimPod(p *corev1.Pod) {
	p.Spec.Volumes, p.Spec.Tolerations, p.Spec.Affinity, p.Spec.TopologySpreadConstraints = nil, nil, nil, nil
	for i, c := range p.Spec.Containers {
		p.Spec.Containers[i] = corev1.Container{Name: c.Name}
	}
	p.Spec.InitContainers = nil
}

// warnings are the events of the namespace that tell of trouble, of which those
// about the service's objects are kept. Events have no labels to select them by;
// but there are few warnings, and one watch for all of them is one request.
// Whoever may not read them is told less.
func (v *View) warnings() watched {
	k := v.parts
	return watched{
		kind: "Event", field: "type=Warning", optional: true,
		clear: func() { clear(k.notes) },
		put: func(obj any) {
			e := obj.(*corev1.Event)
			if strings.HasPrefix(e.InvolvedObject.Name, v.service) {
				k.notes.add(e)
			}
		},
		drop: func(any) {},
	}
}
