// Package job runs what a service does at its times: each job by one instance of
// the fleet, however many there are, also while they are being replaced.
//
// It promises:
//
//   - One runner. Of all instances that share the store, one runs a job that is
//     due, once for each time at which it is due, and no two run it side by side.
//     The runner's lease is extended for as long as its process lives.
//   - What dies is noticed. The job of a process that was killed is free for its next
//     time within one [Lease]; another instance takes up the run, some leases later at
//     most, where its last [Checkpoint] was, or from the beginning, if it is told to
//     ([Retry]).
//   - A drained instance finishes what it runs, or hands it on at its next
//     checkpoint. No new run begins on it.
//   - The context of a runner is done, with [ErrLost] as its cause, before another
//     may begin.
//   - Suspended means suspended: when [Control.Suspend] has returned, no run is claimed
//     anywhere any more.
//
// Times are the store's: an instance whose clock is another goes by that of the
// store, and says so. A run is known by the time at which it was to begin, so that
// instances which are not quite together agree on which is due all the same.
package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/seguehq/segue/lifecycle"
	"github.com/seguehq/segue/store"
)

var (
	// ErrLost: the run may go on no longer, and another may begin.
	ErrLost = errors.New("job: the run was lost")
	// ErrHandOn is what Checkpoint returns when the instance is to stop: the Func
	// returns it (or an error that wraps it), and another instance goes on.
	ErrHandOn = errors.New("job: the run is to be handed on")
	// ErrTooLong is why a run was called off that took longer than AtMostFor.
	ErrTooLong = errors.New("job: the run took longer than it may")
	// ErrStopped is why a run was called off when the process's deadline came.
	ErrStopped = errors.New("job: the process has to stop")
	// ErrSuspended: the job was suspended, and is run neither by schedule nor by hand.
	ErrSuspended = errors.New("job: it is suspended")
	// ErrRunning: the job runs already.
	ErrRunning = errors.New("job: it is being run")
	// ErrUnknown: no instance has such a job.
	ErrUnknown = errors.New("job: no instance has it")
)

// DefaultLease is how long the runs of a process that died stay taken.
const DefaultLease = 10 * time.Second

// MinLease is the shortest lease that a process on a busy machine can keep.
const MinLease = 50 * time.Millisecond

// MaxName is how many bytes a job's name may have.
const MaxName = 64

// Jobs are the jobs of one process.
type Jobs struct {
	store store.Store
	book  book
	options

	mu      sync.Mutex
	jobs    []definition
	running bool
}

type options struct {
	lease   time.Duration
	name    string
	log     *slog.Logger
	onAlarm func(Alarm)
}

// A definition is a job as Add was told of it.
type definition struct {
	name string
	when Schedule
	do   Func
	settings
}

// New returns an empty set of jobs. All instances that use the same store share
// the work.
func New(s store.Store, options ...Option) *Jobs {
	j := &Jobs{store: s, book: book{s}, options: defaults()}
	for _, o := range options {
		o(&j.options)
	}
	return j
}

// An Option changes what New makes.
type Option func(*options)

// Lease sets how long the runs of a process stay taken after it has died: long
// enough for the slowest hiccup of process, network and store, as a process that
// cannot extend its lease in that time loses what it runs. DefaultLease without it;
// it panics below MinLease.
func Lease(d time.Duration) Option {
	if d < MinLease {
		panic(fmt.Sprintf("job: a lease of %v; it is %v at least", d, MinLease))
	}
	return func(o *options) { o.lease = d }
}

// As sets the name under which others see this process: $SEGUE_INSTANCE, or host
// and process id, without it.
func As(name string) Option { return func(o *options) { o.name = name } }

// Log sets where it is logged what needs somebody's eye: runs that fail, panic,
// are lost, overdue or overlong, and a store that is away. slog.Default() without
// it.
func Log(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// OnAlarm sets what is called when a job is overdue or a run overlong, once for each
// time at which it was due. It is called by one goroutine at a time, on each
// instance that sees it, and holds up the other jobs: it should return at once.
func OnAlarm(f func(Alarm)) Option { return func(o *options) { o.onAlarm = f } }

// An Alarm is that something with a job is not as it should be.
type Alarm struct {
	Kind AlarmKind
	Job  string
	Slot time.Time     // the time at which the run was to begin
	By   time.Duration // how long after that it has not begun; how long the run has taken
}

// An AlarmKind says what is wrong.
type AlarmKind string

const (
	Overdue  AlarmKind = "overdue"  // due, and not begun by anybody
	Overlong AlarmKind = "overlong" // begun, and going on for longer than it should
)

// A Func is what a job does. Its context is done when the run is to end at once:
// the lease was lost, the job has taken longer than AtMostFor, or the process's
// deadline for stopping has come; context.Cause says which. While an instance
// merely drains the context is not done: see Draining and Checkpoint.
//
// A Func that panics is recorded as failed, with its stack, and the process goes
// on, as it does with handlers of net/http.
type Func func(ctx context.Context) error

// Add adds a job. It panics if the name is empty, longer than MaxName or taken,
// and when the jobs run already.
func (j *Jobs) Add(name string, when Schedule, run Func, settings ...Setting) {
	d := definition{name: name, when: when, do: run, settings: usual()}
	for _, set := range settings {
		set(&d.settings)
	}
	if d.overlong == 0 {
		d.overlong = d.atMost * 4 / 5
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if why := j.refuses(d); why != "" {
		panic(fmt.Sprintf("job: Add(%q): %s", name, why))
	}
	j.jobs = append(j.jobs, d)
}

// refuses says what is wrong with a definition.
func (j *Jobs) refuses(d definition) string {
	switch {
	case d.name == "":
		return "a job has a name, by which all instances know it"
	case len(d.name) > MaxName:
		return fmt.Sprintf("the name has %d bytes; it may have %d", len(d.name), MaxName)
	case store.CheckKey(statePrefix+d.name) != nil:
		return "the name is no UTF-8, or has a NUL in it"
	case d.when == nil:
		return "it has no schedule"
	case d.do == nil:
		return "it has no Func"
	case d.atMost > 0 && d.atLeast > d.atMost:
		return fmt.Sprintf("AtLeastFor(%v) is more than AtMostFor(%v)", d.atLeast, d.atMost)
	case j.running:
		return "the jobs run already"
	case slices.ContainsFunc(j.jobs, func(o definition) bool { return o.name == d.name }):
		return "there is such a job already"
	}
	return ""
}

// Run runs the jobs until ctx is done, and returns when what was running has ended
// or was handed on, however long that takes.
func (j *Jobs) Run(ctx context.Context) error {
	e := j.start()
	<-ctx.Done()
	return e.stop(context.WithoutCancel(ctx))
}

// Component is Run as a part of a service, named "jobs": it drains when the service
// stops, and what does not end before the service's deadline is called off.
func (j *Jobs) Component() lifecycle.Component {
	var e *engine
	return lifecycle.Func("jobs",
		func(context.Context) error { e = j.start(); return nil },
		func(ctx context.Context) error { return e.stop(ctx) })
}

func defaults() options { return options{lease: DefaultLease, log: slog.Default()} }

// thisProcess is who runs the jobs.
func (j *Jobs) thisProcess() Runner {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return Runner{Instance: cmp.Or(j.name, os.Getenv("SEGUE_INSTANCE"), fmt.Sprintf("%s:%d", host, os.Getpid())),
		Service: os.Getenv("SEGUE_SERVICE"), Release: os.Getenv("SEGUE_RELEASE")}
}
