package kubernetes

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// observe asks done of an object, and again whenever it has changed, until it says
// true or fails. It is asked of nil while there is no such object. done must not
// call the cluster.
func (c *Cluster) observe(ctx context.Context, ref Ref, done func(runtime.Object) (bool, error)) error {
	w := c.newWatching(ctx)
	defer w.close()
	var now runtime.Object
	err := w.add(watched{
		kind: ref.Kind, field: "metadata.name=" + ref.Name,
		clear: func() { now = nil },
		put:   func(obj any) { now, _ = obj.(runtime.Object) },
		drop:  func(any) { now = nil },
	})
	if err != nil {
		return err
	}
	return w.until(ctx, func() (bool, error) { return done(now) })
}

// words calls out for what others say to a rollout, each time that changes, until
// ctx ends.
func (r records) words(ctx context.Context, id int64, out func(word)) error {
	var last word
	return r.c.observe(ctx, Ref{"ConfigMap", r.name(kindRollout, id)}, func(o runtime.Object) (bool, error) {
		cm, ok := o.(*corev1.ConfigMap)
		if !ok {
			return false, nil
		}
		w, err := wordIn(cm)
		if err == nil && w != last {
			last = w
			out(w)
		}
		return false, err
	})
}
