package featureflag

import (
	"context"
	"errors"

	"github.com/seguehq/segue/store"
)

// A Control changes the flags in a store. Each call is one change, recorded under
// the name it was made for; of two at once neither is lost. It may be used
// concurrently, and need not be closed.
type Control struct {
}

// NewControl makes a Control for who says by (user@host).
func NewControl(s store.Store, by string) *Control { panic("not written yet") }

// ErrUnknown: there is no such flag.
var ErrUnknown = errors.New("featureflag: no such flag")

// List gives all flags in the order of their keys, and what is shed (nil: nothing).
func (c *Control) List(ctx context.Context) ([]Flag, *Shed, error) { panic("not written yet") }

// Get gives one flag, or ErrUnknown.
func (c *Control) Get(ctx context.Context, key string) (Flag, error) { panic("not written yet") }

// Apply brings a document's flags into the store: new ones are made, those whose
// definition in the document is another than the document brought before get it, and keep
// what was laid over them. Flags that are not in it stay. It returns the keys
// that changed. A document with a flag that cannot be evaluated changes nothing.
func (c *Control) Apply(ctx context.Context, d Definitions, why string) ([]string, error) {
	panic("not written yet")
}

// Set gives a flag its definition, and makes the flag if need be. A ramp that runs is ended by it.
func (c *Control) Set(ctx context.Context, key string, d Definition, why string) error {
	panic("not written yet")
}

// Ramp begins a ramp, in place of one that there may be. r needs Variant, To, and Over
// or From; a ramp of the same variant that goes on begins where the one before stands.
func (c *Control) Ramp(ctx context.Context, key string, r Ramp, why string) error {
	panic("not written yet")
}

// StopRamp ends a running one where it is, or at From.
func (c *Control) StopRamp(ctx context.Context, key string, back bool, why string) error {
	panic("not written yet")
}

// MoveRamp is the mover's: it writes what has become of a running ramp, if the
// flag is still at this version, and returns store.ErrConflict otherwise. Only
// a change of State is written to the history.
func (c *Control) MoveRamp(ctx context.Context, key string, version int64, r Ramp) error {
	panic("not written yet")
}

// Kill puts a flag to its off variant for everybody, whatever else is laid over it.
// A running ramp stops.
func (c *Control) Kill(ctx context.Context, key, why string) error { panic("not written yet") }

// Restore takes a kill back. A ramp that it stopped stays where it was.
func (c *Control) Restore(ctx context.Context, key, why string) error { panic("not written yet") }

// Remove forgets a flag: whoever evaluates it gets his own default.
func (c *Control) Remove(ctx context.Context, key, why string) error { panic("not written yet") }

// Shed turns flags up to level down to their off variant; below Normal and Low in
// that order. nil turns all up again.
func (c *Control) Shed(ctx context.Context, level *Importance, why string) error {
	panic("not written yet")
}

// InForce is the document that is in force with what is laid over the flags.
func InForce(flags []Flag, shed *Shed) Definitions { panic("not written yet") }
