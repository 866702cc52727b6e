package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"time"
)

// Run starts the components, says that the service is ready, and waits: for
// SIGTERM or SIGINT, for the context's end, for a component that fails, or for
// the new process that follows SIGUSR2. Then it stops everything and returns: nil
// if all went well, else what failed. It is called once in a process, as the
// last thing that main does.
func Run(ctx context.Context, components ...Component) error {
	return (&App{Components: components}).Run(ctx)
}

// An App is a service with settings that [Run] has defaults for. It must not be
// changed while it runs.
//
// # Signals
//
// SIGTERM and SIGINT stop the service; SIGINT, which comes from a person, does
// not wait for the servers' delay. The same again within a second is taken for
// the same one, as many ways of stopping send it twice. Later it hurries:
// nothing is waited for any more but the requests in flight. A third one cuts
// those off.
//
// SIGUSR2 replaces the process by a new one, in the way of Unicorn. The program
// is started anew by the path that it was started by, with the same arguments
// and environment, in the same folder (by its name, so that a symbolic link
// leads to the new release). The new process starts everything, accepts on the
// same listening sockets, and reports that it is ready. Only then does the old
// one leave. A new one that ends, or is not ready in time, is given up, and the
// old one goes on. Under Segue's agent and as the first process of a container
// SIGUSR2 is refused, with a line in the log.
type App struct {
	Components []Component

	// StopTimeout is how long the whole stop may take. Choose it shorter than the
	// time after which the service is killed: 30 s with Kubernetes, 10 s with
	// Docker, 90 s with systemd. 0 is nine tenths of what Segue's agent gives, which
	// tells it in SEGUE_STOP_TIMEOUT; without an agent DefaultStopTimeout.
	StopTimeout time.Duration

	// ReplaceTimeout is how long a new process may take until it is ready. 0 is
	// DefaultReplaceTimeout.
	ReplaceTimeout time.Duration

	// PIDFile, if not empty, is a file with the number of the process that serves:
	// written when it is ready, at once as a whole, and removed at the end by the
	// process that is named in it.
	PIDFile string

	Log *slog.Logger // nil is slog.Default()
}

// Defaults of an App's fields that are left zero.
const (
	DefaultStopTimeout    = 25 * time.Second
	DefaultReplaceTimeout = time.Minute
)

func (a *App) stopTimeout() time.Duration {
	given, _ := time.ParseDuration(os.Getenv("SEGUE_STOP_TIMEOUT")) // 0 where nobody gives any
	return cmp.Or(a.StopTimeout, max(0, given-given/10), DefaultStopTimeout)
}

func (a *App) replaceTimeout() time.Duration {
	return cmp.Or(a.ReplaceTimeout, DefaultReplaceTimeout)
}

// Run does what [Run] does, with the settings.
func (a *App) Run(ctx context.Context) error {
	p, err := planOf(a.Components)
	if err != nil {
		return err
	}
	signals, release := subscribe()
	defer release()
	r := &running{
		app:     a,
		plan:    p,
		log:     cmp.Or(a.Log, slog.Default()),
		signals: signals,
		hurry:   make(chan struct{}),
		failed:  make(chan error, 1),
	}
	if r.origin, err = originOf(); err != nil {
		return err
	}
	defer r.origin.close()
	if err := r.origin.assign(p, r.log); err != nil {
		return err
	}
	return r.run(ctx)
}

// running is an App that runs. What its components may ask of it goes with the
// context of Start.
type running struct {
	app     *App
	plan    *plan
	log     *slog.Logger
	signals <-chan os.Signal
	origin  *origin

	next    *succession   // nil before the service is ready
	hurry   chan struct{} // closed when nothing idle is to be waited for
	failed  chan error    // of the first component that failed while it ran
	wanted  bool          // it has been ready, so requests are on their way
	because reason        // of the stop; set before it begins
}

// A reason is why a service stops.
type reason int

const (
	told     reason = iota // by a signal, or by the context's end
	byPerson               // by SIGINT
	broken                 // a component has failed
	replaced               // by a new process, which accepts on our sockets
)

type runningKey struct{}

func runningOf(ctx context.Context) *running {
	r, _ := ctx.Value(runningKey{}).(*running)
	return r
}

// Fail stops the whole service because a component that had started has failed;
// [Run] returns the error. The context is that of the component's Start. Only
// the first call counts. Outside a running service it does nothing.
func Fail(ctx context.Context, err error) {
	if r := runningOf(ctx); r != nil && err != nil {
		select {
		case r.failed <- err:
		default:
		}
	}
}

func (r *running) run(ctx context.Context) error {
	began := time.Now()
	started, err := r.start(ctx)
	switch {
	case errors.Is(err, errToldToStop):
		r.log.Info("told to stop while starting")
		return r.stop(started)
	case err != nil:
		return errors.Join(err, r.stop(started))
	}
	r.wanted = true
	failure := r.serve(ctx, time.Since(began))
	return errors.Join(failure, r.stop(started))
}

var errToldToStop = errors.New("told to stop")

// start starts all components, and calls that off at a signal.
func (r *running) start(ctx context.Context) ([]bool, error) {
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, runningKey{}, r))
	defer cancel(nil)
	type outcome struct {
		started []bool
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		started, err := r.plan.start(ctx)
		done <- outcome{started, err}
	}()
	ended := ctx.Done()
	for {
		select {
		case o := <-done:
			return o.started, o.err
		case <-ended:
			ended = nil
			cancel(errToldToStop)
		case s := <-r.signals:
			if isReplace(s) {
				r.log.Warn("replace: refused, this process is still starting; send the signal again later", "signal", s)
				continue
			}
			r.because = reasonOf(s)
			cancel(errToldToStop)
		case err := <-r.failed:
			r.because = broken
			cancel(err)
		}
	}
}

// serve returns when the service is to stop, with the failure that is why. What says
// that it is ready is said when all is so: also the file with its number.
func (r *running) serve(ctx context.Context, took time.Duration) error {
	r.setHealth(true)
	n := r.notifier()
	defer n.close()
	if err := r.writePIDFile(); err != nil {
		return err
	}
	r.log.Info("ready", "took", took.Round(time.Millisecond))
	n.ready(r.origin.reportReady(r.log))
	r.next = newSuccession(r)
	for {
		select {
		case <-ctx.Done():
			r.log.Info("stopping: the context has ended", "cause", context.Cause(ctx))
			n.stopping()
			return nil
		case err := <-r.failed:
			r.because = broken
			r.log.Error("stopping: a component has failed", "error", err)
			n.stopping()
			return err
		case s := <-r.signals:
			if isReplace(s) {
				r.next.begin()
				continue
			}
			r.because = reasonOf(s)
			r.log.Info("stopping", "signal", s)
			n.stopping()
			return nil
		case pid := <-r.next.ready:
			r.because = replaced
			r.log.Info("replaced: the new process is ready, this one leaves", "new", pid)
			n.handOver(pid)
			return nil
		}
	}
}

// stop stops all that has started, and listens to signals meanwhile.
func (r *running) stop(started []bool) error {
	ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), runningKey{}, r), r.app.stopTimeout())
	defer cancel()
	r.setHealth(false)
	if r.next != nil {
		defer r.next.close()
		if r.because != replaced {
			r.next.abandon()
		}
	}
	done := make(chan error, 1)
	go func() { done <- r.plan.stop(ctx, started) }()
	began, heard := time.Now(), 0
	for {
		select {
		case err := <-done:
			r.removePIDFile()
			r.log.Info("stopped", "took", time.Since(began).Round(time.Millisecond))
			return err
		case s := <-r.signals:
			switch {
			case isReplace(s):
				r.log.Warn("replace: refused, this process is stopping", "signal", s)
			case time.Since(began) < sameSignal && r.because != replaced:
			case heard == 0:
				heard++
				r.log.Warn("told again: waiting for nothing but requests in flight; once more cuts them off", "signal", s)
				close(r.hurry)
			default:
				r.log.Warn("told a third time: cutting off what is in flight", "signal", s)
				cancel()
			}
		}
	}
}

// sameSignal is how soon a second stop signal is the first one, sent twice: by
// npm and the terminal, or to the process and its group.
const sameSignal = time.Second

// setHealth tells probes. Of a process that was replaced they need not know: the
// service is well.
func (r *running) setHealth(serving bool) {
	if r.because == replaced {
		return
	}
	for _, c := range r.plan.parts {
		if c.server == nil {
			continue
		}
		c.server.ready.Store(serving)
		for _, f := range c.server.o.health {
			f(serving)
		}
	}
}
