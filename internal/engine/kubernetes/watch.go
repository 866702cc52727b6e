package kubernetes

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// watched is a kind of objects that is watched, and what becomes of them. Its
// functions are called one at a time, and not while until asks.
type watched struct {
	kind     string
	label    string // selector; "" all
	field    string // selector; "" all
	metadata bool   // objects are asked for without their contents: *metav1.PartialObjectMetadata
	optional bool   // a user who may not watch it goes without

	slim  func(obj any) // takes from an object what put does not need, while many are collected; may be nil
	clear func()        // all of them are said anew
	put   func(obj any) // is there, in this form
	drop  func(obj any) // is gone
}

// watching is a number of watches that are waited for together.
type watching struct {
	c    *Cluster
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu      sync.Mutex       // guards what follows, and what the functions of watched fill
	news    chan struct{}    // closed when there is something new
	unready int              // watches that have not said yet what there is
	broken  map[string]error // by kind
	refused error            // the server will not let us watch
}

var errEnded = errors.New("the cluster is not watched any more")

// newWatching is one without watches. It ends with ctx, or by close.
func (c *Cluster) newWatching(ctx context.Context) *watching {
	// client-go logs what its callers are told as errors.
	ctx, stop := context.WithCancel(klog.NewContext(ctx, logr.Discard()))
	return &watching{c: c, ctx: ctx, stop: stop, news: make(chan struct{}), broken: map[string]error{}}
}

// close ends the watches and waits for them.
func (w *watching) close() {
	w.stop()
	w.wg.Wait()
}

// add begins a watch.
func (w *watching) add(k watched) error {
	path, err := w.c.path(k.kind, "")
	if err != nil {
		return err
	}
	example, list, err := w.c.examples(k)
	if err != nil {
		return err
	}
	f := &feed{w: w, k: k, path: path, list: list}
	logger := logr.Discard()
	r := cache.NewReflectorWithOptions(f, example, f, cache.ReflectorOptions{
		Logger: &logger, Name: k.kind, TypeDescription: k.kind,
		// The server may be back at any moment, and a deploy waits for it.
		Backoff: &wait.Backoff{Duration: 200 * time.Millisecond, Factor: 1.5, Jitter: 0.3, Steps: 8, Cap: 3 * time.Second},
	})
	w.mu.Lock()
	w.unready++
	w.mu.Unlock()
	w.wg.Go(func() { r.RunWithContext(w.ctx) })
	return nil
}

// until asks done when every watch has said what there is, and after all news,
// until it says true or fails. done must not call anything of w.
func (w *watching) until(ctx context.Context, done func() (bool, error)) error {
	for {
		ok, news, err := w.ask(done)
		if ok || err != nil {
			return err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-w.ctx.Done():
			return errEnded
		}
	}
}

func (w *watching) ask(done func() (bool, error)) (bool, <-chan struct{}, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.refused != nil:
		return false, nil, w.refused
	case w.unready > 0:
		return false, w.news, nil
	}
	ok, err := done()
	return ok, w.news, err
}

// ring tells those who wait. w.mu is held.
func (w *watching) ring() {
	close(w.news)
	w.news = make(chan struct{})
}

// away is the error of a watch that is broken; nil if none is.
func (w *watching) away() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, err := range w.broken {
		return err
	}
	return nil
}

// examples are an empty object and list of a kind.
func (c *Cluster) examples(k watched) (obj, list runtime.Object, err error) {
	if k.metadata {
		return &metav1.PartialObjectMetadata{}, &metav1.PartialObjectMetadataList{}, nil
	}
	gv := resources[k.kind].groupVersion()
	if obj, err = c.scheme.New(gv.WithKind(k.kind)); err != nil {
		return nil, nil, err
	}
	list, err = c.scheme.New(gv.WithKind(k.kind + "List"))
	return obj, list, err
}
