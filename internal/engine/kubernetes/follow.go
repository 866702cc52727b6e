package kubernetes

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
)

// following is whose lines are to be read while they are written.
type following struct {
	label string        // of the pods
	pod   string        // only this one; "" all
	lines int           // of those that were written before; 0 all
	since time.Duration // only those younger; 0 any
	out   func(LogLine) error

	also []watched            // what over needs to know
	over func() (bool, error) // no more pods come: asked when all of them are being read; nil they always may
	seen func(map[string]Pod) // looks at the pods whenever there is news; may be nil
}

// follower reads the logs of pods that are there and of those that come.
type follower struct {
	following
	c      *Cluster
	w      *watching
	cancel context.CancelCauseFunc
	one    sync.Mutex // line at a time
	wg     sync.WaitGroup

	pods  map[string]Pod  // guarded by w.mu
	began map[string]bool // by UID; guarded by w.mu
}

// follow reads until over says so, and then to the end of what is being read;
// until out fails; or until ctx ends.
func (c *Cluster) follow(ctx context.Context, what following) error {
	ctx, cancel := context.WithCancelCause(ctx)
	f := &follower{following: what, c: c, w: c.newWatching(ctx), cancel: cancel, pods: map[string]Pod{}, began: map[string]bool{}}
	defer f.w.close()
	defer f.wg.Wait()
	for _, k := range append(what.also, keep("Pod", what.label, f.pods, podOf, slimPod)) {
		if err := f.w.add(k); err != nil {
			cancel(err)
			return err
		}
	}
	for {
		fresh, err := f.fresh(ctx)
		if err != nil {
			cancel(err)
			return err
		}
		if len(fresh) == 0 {
			break
		}
		for _, p := range fresh {
			f.wg.Go(func() { f.each(ctx, p) })
		}
	}
	f.wg.Wait()
	cancel(nil)
	return nil
}

// fresh waits for pods that are not read yet. None: there will be none.
func (f *follower) fresh(ctx context.Context) ([]Pod, error) {
	var fresh []Pod
	err := f.w.until(ctx, func() (bool, error) {
		if f.seen != nil {
			f.seen(f.pods)
		}
		for _, p := range f.pods {
			if !f.began[p.UID] && (f.pod == "" || f.pod == p.Name) {
				f.began[p.UID] = true
				fresh = append(fresh, p)
			}
		}
		if len(fresh) == 0 && f.over != nil {
			return f.over()
		}
		return len(fresh) > 0, nil
	})
	slices.SortFunc(fresh, func(a, b Pod) int { return a.Born.Compare(b.Born) })
	return fresh, err
}

// readTries is how often the log of a pod that has ended is tried to be read: its
// node may have ended, too.
const readTries = 6

// each reads a pod's log until the pod is gone. The log ends with each of its
// containers, and whenever the connection to it does.
func (f *follower) each(ctx context.Context, p Pod) {
	r := reading{pod: p.Name, container: p.Container, lines: f.lines, since: f.since, follow: true}
	pause := wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Steps: readTries}
	read := -1
	for {
		now, ok := f.running(ctx, p, read)
		if !ok || now.State == Gone && pause.Steps == 0 {
			return
		}
		err := f.c.read(ctx, r, func(l LogLine) error {
			r.after = l.At
			return f.write(l)
		})
		if err == nil || errors.As(err, new(noLog)) {
			read = now.Restarts
			continue
		}
		if apierrors.IsForbidden(err) {
			f.forbidden(err)
			return
		}
		if !pauseFor(ctx, pause.Step()) {
			return
		}
	}
}

// forbidden ends it all if reading is what it is for. A Job is taken to its end
// without its lines.
func (f *follower) forbidden(err error) {
	if f.over == nil {
		f.cancel(err)
	}
}

func (f *follower) write(l LogLine) error {
	f.one.Lock()
	defer f.one.Unlock()
	err := f.out(l)
	if err != nil {
		f.cancel(err)
	}
	return err
}

// running waits until the pod's program runs, or has, and has been made again
// more often than when it was read last; false if it will not be.
func (f *follower) running(ctx context.Context, pod Pod, read int) (now Pod, ok bool) {
	err := f.w.until(ctx, func() (bool, error) {
		now = f.pods[pod.Name]
		switch {
		case now.UID != pod.UID || now.State == Gone && now.Restarts <= read:
			return false, errEnded
		case now.State == Gone:
			return true, nil
		}
		runs := now.State == Probing || now.State == Ready || now.State == Draining
		return runs && now.Restarts > read, nil
	})
	return now, err == nil
}

// pauseFor waits before something is tried again; false if ctx ends.
func pauseFor(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
