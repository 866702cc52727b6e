package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// errNotReached is why a component was not started: one before it failed.
var errNotReached = errors.New("not reached")

// start starts all components, each as soon as it may be, and reports which have
// started. The first failure calls the others off.
func (p *plan) start(ctx context.Context) (started []bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	started = make([]bool, len(p.parts))
	up := make([]chan struct{}, len(p.parts))
	for i := range up {
		up[i] = make(chan struct{})
	}
	var all sync.WaitGroup
	for i, c := range p.parts {
		all.Go(func() {
			if err := p.startOne(ctx, i, up); err == nil {
				started[i] = true
				close(up[i])
			} else if !errors.Is(err, errNotReached) {
				cancel(fmt.Errorf("lifecycle: start %s: %w", c.Name, err))
			}
		})
	}
	all.Wait()
	return started, context.Cause(ctx)
}

func (p *plan) startOne(ctx context.Context, i int, up []chan struct{}) error {
	for _, j := range p.before[i] {
		select {
		case <-up[j]:
		case <-ctx.Done():
			return errNotReached
		}
	}
	if ctx.Err() != nil {
		return errNotReached
	}
	if start := p.parts[i].Start; start != nil {
		return start(ctx)
	}
	return nil
}

// stop stops those that have started, each as soon as nothing depends on it any
// more. It returns at the context's end, some time later at most, and says what
// had not stopped by then.
func (p *plan) stop(ctx context.Context, started []bool) error {
	down := make([]chan struct{}, len(p.parts))
	errs := make([]error, len(p.parts))
	for i := range down {
		down[i] = make(chan struct{})
	}
	for i := range p.parts {
		go func() {
			defer close(down[i])
			for _, j := range p.after[i] {
				<-down[j]
			}
			if started[i] {
				errs[i] = p.stopOne(ctx, i)
			}
		}()
	}
	for i := range p.parts {
		<-down[i]
	}
	return errors.Join(errs...)
}

// lastly is what a component gets to stop in when the deadline has passed
// already, for another has used up the time.
const lastly = time.Second

func (p *plan) stopOne(ctx context.Context, i int) error {
	c := p.parts[i]
	if c.Stop == nil {
		return nil
	}
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), lastly)
		defer cancel()
	}
	stopped := make(chan error, 1)
	go func() { stopped <- c.Stop(ctx) }()
	var patience <-chan time.Time
	over := ctx.Done()
	for {
		select {
		case err := <-stopped:
			if err != nil {
				err = fmt.Errorf("lifecycle: stop %s: %w", c.Name, err)
			}
			return err
		case <-over:
			over, patience = nil, time.After(lastly)
		case <-patience:
			return fmt.Errorf("lifecycle: stop %s: it had not stopped at the deadline, and does not heed its context", c.Name)
		}
	}
}
