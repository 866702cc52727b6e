package featureflag

import (
	"context"

	"github.com/seguehq/segue/store"
)

// Flags keeps a Set up with what a store has. It may be used concurrently.
type Flags struct {
}

// New makes Flags over a store, which it does not close. It does nothing until
// Run is called; until then, and if the store cannot be reached, no flag is known and
// each evaluation gives the caller's default.
func New(s store.Store, options ...Option) *Flags { panic("not written yet") }

// An Option changes what New makes.
type Option func(*Flags)

// Run reads the flags and keeps up with changes until ctx ends, and returns nil
// then. It outlasts whatever happens to the store: the last values stay in force
// and it tries on.
func (f *Flags) Run(ctx context.Context) error { panic("not written yet") }

// Ready waits until the flags were read once.
func (f *Flags) Ready(ctx context.Context) error { panic("not written yet") }

// Set is what is in force now; never nil.
func (f *Flags) Set() *Set { panic("not written yet") }

// Changed is closed when Set gives another one than at this call.
func (f *Flags) Changed() <-chan struct{} { panic("not written yet") }

// Bool, String, Float and Int are those of the Set that is in force.
func (f *Flags) Bool(key string, c Context, def bool) bool { return f.Set().Bool(key, c, def) }

func (f *Flags) String(key string, c Context, def string) string { return f.Set().String(key, c, def) }

func (f *Flags) Float(key string, c Context, def float64) float64 { return f.Set().Float(key, c, def) }

func (f *Flags) Int(key string, c Context, def int64) int64 { return f.Set().Int(key, c, def) }
