package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// A Component is a part of a service that is started and stopped: a connection
// to a database, a consumer of messages, a server.
type Component struct {
	// Name is how others refer to it, and how errors and the log do. It must be
	// unique and not empty.
	Name string

	// After are the names of the components that it depends on: it is started
	// after them and stopped before them. Components that do not depend on one
	// another start at the same time, and stop at the same time. Servers ([HTTP],
	// [GRPC]) come after all others by themselves, except those that depend on them.
	After []string

	// Start returns when the component can be used; nil has nothing to do. Its
	// context is called off when the start as a whole is. What goes on after Start
	// must not use the context, except for [Fail].
	Start func(context.Context) error

	// Stop returns when nothing is left of the component; nil has nothing to do.
	// Its context ends at the deadline. It is called once, and only if Start has
	// succeeded.
	Stop func(context.Context) error

	server *server // of one that listens
}

// Func is a component made of two functions, either of which may be nil.
func Func(name string, start, stop func(context.Context) error) Component {
	return Component{Name: name, Start: start, Stop: stop}
}

// Go is a component that runs in the background until its context ends. When run
// returns an error before that, the whole service stops, and [Run] returns the
// error. Returning nil early stops nothing.
func Go(name string, run func(context.Context) error) Component {
	var cancel context.CancelFunc
	done := make(chan struct{})
	start := func(ctx context.Context) error {
		var running context.Context
		running, cancel = context.WithCancel(context.WithoutCancel(ctx))
		go func() {
			defer close(done)
			if err := run(running); err != nil && running.Err() == nil {
				Fail(ctx, fmt.Errorf("%s: %w", name, err))
			}
		}()
		return nil
	}
	stop := func(ctx context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return errors.New("it still runs though its context has ended")
		}
	}
	return Component{Name: name, Start: start, Stop: stop}
}

// DependsOn returns a copy of the component that is started after the named ones
// as well, and stopped before them.
func (c Component) DependsOn(names ...string) Component {
	c.After = append(slices.Clone(c.After), names...)
	return c
}
