package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Who changes a service holds its Lease, and says so again every leaseRenew.
// Without a word for leaseTime the holder is taken for dead: its rollout may be
// gone on with, or undone, by whoever takes the Lease over. Clocks of different
// machines are not compared: who wants the Lease watches it for so long.
const (
	leaseTime  = 15 * time.Second
	leaseRenew = 4 * time.Second
)

// A hold is a Lease that is held. It ends with end, or when it is lost.
type hold struct {
	c      *Cluster
	lease  *coordinationv1.Lease
	cancel context.CancelCauseFunc
	ended  chan struct{}
}

func leaseName(service string) string { return "segue-" + service }

// hold takes the service's Lease. The context that it returns ends when the
// Lease is lost. A holder that lives is a BusyError, unless it is to be waited for.
func (c *Cluster) hold(ctx context.Context, service, who string, wait bool, told func(string)) (context.Context, *hold, error) {
	h := &hold{c: c, ended: make(chan struct{})}
	for {
		seen, err := c.lease(ctx, service)
		if err != nil {
			return nil, nil, err
		}
		if holder(seen) != "" {
			told("waiting to see whether " + holder(seen) + " is still at work")
			seen, err = c.outwait(ctx, seen, wait)
			if err != nil {
				return nil, nil, err
			}
		}
		if h.lease, err = c.take(ctx, service, who, seen); err == nil {
			break
		}
		if !IsStale(err) && !IsThere(err) && !IsGone(err) {
			return nil, nil, fmt.Errorf("take the Lease of %s: %w", service, err)
		}
	}
	ctx, h.cancel = context.WithCancelCause(ctx)
	go h.renew(ctx)
	return ctx, h, nil
}

func holder(l *coordinationv1.Lease) string {
	if l == nil || l.Spec.HolderIdentity == nil {
		return ""
	}
	return *l.Spec.HolderIdentity
}

// lease reads the service's Lease; nil: there is none.
func (c *Cluster) lease(ctx context.Context, service string) (*coordinationv1.Lease, error) {
	l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: leaseName(service)}}
	err := c.Get(ctx, l)
	if IsGone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the Lease of %s: %w", service, err)
	}
	return l, nil
}

// outwait watches a Lease that somebody holds, until it is free or nothing was
// said of it for so long that its holder must be dead.
func (c *Cluster) outwait(ctx context.Context, seen *coordinationv1.Lease, wait bool) (*coordinationv1.Lease, error) {
	for {
		silent := errors.New("no word of the holder")
		listening, stop := context.WithTimeoutCause(ctx, leaseTime, silent)
		var now *coordinationv1.Lease
		err := c.observe(listening, Ref{"Lease", seen.Name}, func(o runtime.Object) (bool, error) {
			now, _ = o.(*coordinationv1.Lease)
			return holder(now) == "" || now.ResourceVersion != seen.ResourceVersion, nil
		})
		stop()
		switch {
		case errors.Is(err, silent):
			return seen, nil
		case err != nil:
			return nil, err
		case holder(now) == "":
			return now, nil
		case !wait:
			return nil, busy(now)
		}
		seen = now
	}
}

func busy(l *coordinationv1.Lease) *BusyError {
	e := &BusyError{Service: l.Labels[LabelName], Holder: holder(l)}
	if l.Spec.AcquireTime != nil {
		e.Since = l.Spec.AcquireTime.Time
	}
	return e
}

// take writes the Lease in who's name, if it is still as it was seen.
func (c *Cluster) take(ctx context.Context, service, who string, seen *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: leaseName(service)}}
	if seen != nil {
		l = seen.DeepCopy()
	}
	now, seconds := metav1.NowMicro(), int32(leaseTime/time.Second)
	l.Labels = records{c, service}.labels(kindLease)
	l.Spec.HolderIdentity, l.Spec.LeaseDurationSeconds = &who, &seconds
	l.Spec.AcquireTime, l.Spec.RenewTime = &now, &now
	if seen == nil {
		return l, c.Create(ctx, l)
	}
	return l, c.Update(ctx, l)
}

var errLeaseLost = errors.New("somebody else has taken the service over, because this command could not be heard of")

// renew says again and again that the holder lives, and ends its work when
// nobody could hear that for so long that somebody else may have taken over.
func (h *hold) renew(ctx context.Context) {
	defer close(h.ended)
	every := time.NewTicker(leaseRenew)
	defer every.Stop()
	heard := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		now := metav1.NowMicro()
		next := h.lease.DeepCopy()
		next.Spec.RenewTime = &now
		asking, done := context.WithTimeout(ctx, 2*leaseRenew)
		err := h.c.Update(asking, next)
		if IsStale(err) {
			if next, err = h.reread(asking, err); err == nil {
				now = *next.Spec.RenewTime
			}
		}
		done()
		switch {
		case err == nil:
			h.lease, heard = next, now.Time
		case IsStale(err), IsGone(err), time.Since(heard) > leaseTime-leaseRenew:
			h.cancel(fmt.Errorf("%w: %w", errLeaseLost, err))
			return
		}
	}
}

// reread tells whether a Lease that is not what we wrote last is ours all the same:
// a word of ours may have been written, and its answer been lost, where the server
// is slow. Otherwise it returns the error it was given.
func (h *hold) reread(ctx context.Context, stale error) (*coordinationv1.Lease, error) {
	now, err := h.c.lease(ctx, h.lease.Labels[LabelName])
	if err != nil {
		return nil, err
	}
	if holder(now) != holder(h.lease) || now.Spec.RenewTime == nil || !now.Spec.AcquireTime.Equal(h.lease.Spec.AcquireTime) {
		return nil, stale
	}
	return now, nil
}

// end gives the Lease back, also when ctx has ended.
func (h *hold) end(ctx context.Context) {
	h.cancel(nil)
	<-h.ended
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseRenew)
	defer cancel()
	now, err := h.c.lease(ctx, h.lease.Labels[LabelName]) // whether the last renewal was written is not known
	if err != nil || holder(now) != holder(h.lease) {
		return
	}
	free := ""
	now.Spec.HolderIdentity = &free
	now.Spec.AcquireTime, now.Spec.RenewTime = nil, nil
	_ = h.c.Update(ctx, now) // else it runs out by itself
}
