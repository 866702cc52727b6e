package featureflag

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/seguehq/segue/store"
)

// Flags keeps a Set up with what a store has. It may be used concurrently.
type Flags struct {
	store store.Store
	log   *slog.Logger
	set   atomic.Pointer[Set]
	ready chan struct{} // closed when the flags were read once

	mu      sync.Mutex
	changed chan struct{}   // closed when set is another
	flags   map[string]Flag // as the store has them; never changed, but replaced
	shed    *Shed
}

// New makes Flags over a store, which it does not close. It does nothing until
// Run is called; until then, and if the store cannot be reached, no flag is known and
// each evaluation gives the caller's default.
func New(s store.Store, options ...Option) *Flags {
	f := &Flags{store: s, log: slog.Default(), ready: make(chan struct{}), changed: make(chan struct{})}
	f.set.Store(Compile(Definitions{}))
	for _, o := range options {
		o(f)
	}
	return f
}

// An Option changes what New makes.
type Option func(*Flags)

// Log says where Flags tells of what there is to tell: a store that is away and back, a
// flag that cannot be evaluated. slog.Default() without it.
func Log(l *slog.Logger) Option { return func(f *Flags) { f.log = l } }

// Ready waits until the flags were read once.
func (f *Flags) Ready(ctx context.Context) error {
	select {
	case <-f.ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Set is what is in force now; never nil.
func (f *Flags) Set() *Set { return f.set.Load() }

// All is what the Set was made of: the flags in the order of their keys, and what is shed
// (nil: nothing). They are not to be changed. Both are empty until Ready.
func (f *Flags) All() ([]Flag, *Shed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return present(f.flags), f.shed
}

// Changed is closed when Set or All gives another answer than at this call.
func (f *Flags) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// Bool, String, Float and Int are those of the Set that is in force.
func (f *Flags) Bool(key string, c Context, def bool) bool { return f.Set().Bool(key, c, def) }

func (f *Flags) String(key string, c Context, def string) string { return f.Set().String(key, c, def) }

func (f *Flags) Float(key string, c Context, def float64) float64 { return f.Set().Float(key, c, def) }

func (f *Flags) Int(key string, c Context, def int64) int64 { return f.Set().Int(key, c, def) }

// take puts in force what was read.
func (f *Flags) take(flags map[string]Flag, shed *Shed) {
	set := Compile(InForce(present(flags), shed))
	f.complain(flags, set)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flags, f.shed = flags, shed
	if set.ETag() != f.Set().ETag() {
		f.set.Store(set)
	}
	close(f.changed)
	f.changed = make(chan struct{})
	select {
	case <-f.ready:
	default:
		close(f.ready)
	}
}

// complain tells of flags that have become impossible to evaluate.
func (f *Flags) complain(flags map[string]Flag, set *Set) {
	before, problems := f.Set().Problems(), set.Problems()
	for key, err := range problems {
		if before[key] == nil {
			f.log.Warn("a flag cannot be evaluated; whoever asks gets his own default", "flag", key, "error", err)
		}
	}
	for key, flag := range flags {
		if flag.Broken != "" && f.flags[key].Broken == "" {
			f.log.Warn("a flag cannot be read; whoever asks gets his own default", "flag", key, "error", flag.Broken)
		}
	}
}
