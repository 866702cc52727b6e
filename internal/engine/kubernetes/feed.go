package kubernetes

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// feed is one watch: where its objects come from (cache.ListerWatcher) and
// where they go (cache.ReflectorStore).
type feed struct {
	w    *watching
	k    watched
	path string
	list runtime.Object // empty

	// guarded by w.mu
	ready   bool      // what there is has been said, or we go without
	refusal time.Time // since then the server says no
}

func (f *feed) List(o metav1.ListOptions) (runtime.Object, error) {
	return f.ListWithContext(f.w.ctx, o)
}

func (f *feed) Watch(o metav1.ListOptions) (watch.Interface, error) {
	return f.WatchWithContext(f.w.ctx, o)
}

func (f *feed) ListWithContext(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
	list := f.list.DeepCopyObject()
	err := f.request(o, metadataList).Do(ctx).Into(list)
	f.heard(err)
	return list, err
}

func (f *feed) WatchWithContext(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	o.Watch = true
	in, err := f.request(o, metadataWatch).Watch(ctx)
	if o.SendInitialEvents != nil && apierrors.IsInvalid(err) {
		return in, err // an older server, which is asked for a list next
	}
	f.heard(err)
	return in, err
}

func (f *feed) request(o metav1.ListOptions, accept string) *rest.Request {
	o.LabelSelector, o.FieldSelector = f.k.label, f.k.field
	r := f.w.c.rest.Get().AbsPath(f.path).SpecificallyVersionedParams(&o, f.w.c.params, schema.GroupVersion{Version: "v1"})
	if o.TimeoutSeconds != nil {
		r = r.Timeout(time.Duration(*o.TimeoutSeconds) * time.Second)
	}
	if f.k.metadata {
		r = r.SetHeader("Accept", accept)
	}
	return r
}

// heard notes how the last request went.
func (f *feed) heard(err error) {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	if err == nil {
		f.w.c.reached.Store(true)
		f.refusal = time.Time{}
		if f.w.broken[f.k.kind] != nil {
			delete(f.w.broken, f.k.kind)
			f.w.ring()
		}
		return
	}
	if f.w.ctx.Err() != nil {
		return
	}
	err = f.w.c.failed("watch", Ref{Kind: f.k.kind}, err)
	switch {
	case !f.final(err):
		f.w.broken[f.k.kind] = err
	case f.k.optional:
		f.isReady()
	case f.w.refused == nil:
		f.w.refused = err
	}
	f.w.ring()
}

// final reports whether to go on trying is in vain. A server that has only
// just come up may say no to what it will allow in a moment.
func (f *feed) final(err error) bool {
	if !f.w.c.reached.Load() {
		return true
	}
	if !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) && !IsGone(err) {
		return false
	}
	if f.refusal.IsZero() {
		f.refusal = time.Now()
	}
	return !f.ready || time.Since(f.refusal) > awayTime
}

func (f *feed) isReady() {
	if !f.ready {
		f.ready = true
		f.w.unready--
	}
}

func (f *feed) Add(obj any) error    { return f.bring(f.k.put, obj) }
func (f *feed) Update(obj any) error { return f.bring(f.k.put, obj) }
func (f *feed) Delete(obj any) error { return f.bring(f.k.drop, obj) }
func (f *feed) Resync() error        { return nil }

func (f *feed) bring(to func(any), obj any) error {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	to(obj)
	f.w.ring()
	return nil
}

func (f *feed) Replace(all []any, _ string) error {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	f.k.clear()
	for _, obj := range all {
		f.k.put(obj)
	}
	f.isReady()
	f.w.ring()
	return nil
}

// Transformer has objects stripped as they are read, while a first list of many
// is collected.
func (f *feed) Transformer() cache.TransformFunc {
	return func(obj any) (any, error) {
		if m, ok := obj.(metav1.Object); ok {
			m.SetManagedFields(nil)
		}
		if f.k.slim != nil {
			f.k.slim(obj)
		}
		return obj, nil
	}
}
