package featureflag

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seguehq/segue/store"
)

// A Control changes the flags in a store. Each call is one change, recorded under
// the name it was made for; of two at once neither is lost. It may be used
// concurrently, and need not be closed.
type Control struct {
	store store.Store
	by    string
}

// NewControl makes a Control for who says by (user@host).
func NewControl(s store.Store, by string) *Control {
	return &Control{s, cmp.Or(by, "somebody")}
}

var (
	// ErrUnknown: there is no such flag.
	ErrUnknown = errors.New("featureflag: no such flag")
	// ErrKilled: what was asked for waits until the flag is restored.
	ErrKilled = errors.New("featureflag: the flag is killed")
	// ErrInvalid: what was asked for makes no sense; the error says why.
	ErrInvalid = errors.New("featureflag: refused")
)

// List gives all flags in the order of their keys, and what is shed (nil: nothing).
// It reads every key of some stores: not for every request. [Flags] keeps them at hand.
func (c *Control) List(ctx context.Context) ([]Flag, *Shed, error) {
	all, shed, err := readAll(ctx, c.store)
	if err != nil {
		return nil, nil, fmt.Errorf("featureflag: read the flags: %w", err)
	}
	return present(all), shed, nil
}

// Get gives one flag, or ErrUnknown.
func (c *Control) Get(ctx context.Context, key string) (Flag, error) {
	r, err := c.read(ctx, key)
	if err == nil && (r.raw == nil || r.Removed != nil) {
		err = ErrUnknown
	}
	if err != nil {
		return Flag{}, fmt.Errorf("flag %q: %w", key, err)
	}
	return r.Flag, nil
}

// History gives a flag's changes, the newest last, also of one that was removed; or ErrUnknown.
func (c *Control) History(ctx context.Context, key string) ([]Change, error) {
	r, err := c.read(ctx, key)
	if err == nil && r.raw == nil {
		err = ErrUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("flag %q: %w", key, err)
	}
	return r.History, nil
}

// read reads a flag. If there is none it has no raw.
func (c *Control) read(ctx context.Context, key string) (record, error) {
	if err := CheckKey(key); err != nil {
		return record{}, ErrUnknown
	}
	e, err := c.store.Get(ctx, keyPrefix+key)
	if errors.Is(err, store.ErrNotFound) {
		return record{Flag: Flag{Key: key}}, nil
	}
	return decode(e), err
}

// change changes a flag that is there, or not (make), whoever else does meanwhile,
// and records it. do says what it has done, for the history; nothing: it is
// as it should be.
func (c *Control) change(ctx context.Context, key, why string, do func(*Flag) (what string, err error)) error {
	for {
		r, err := c.read(ctx, key)
		if err != nil {
			return fmt.Errorf("flag %q: %w", key, err)
		}
		f := r.Flag
		what, err := do(&f)
		if err != nil || what == "" {
			return err
		}
		err = c.write(ctx, r, f, &Change{c.stamp(why), what})
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// changeKnown is change for a flag that there is, and that can be read.
func (c *Control) changeKnown(ctx context.Context, key, why string, do func(*Flag) (what string, err error)) error {
	return c.change(ctx, key, why, func(f *Flag) (string, error) {
		switch {
		case f.Broken != "":
			return "", fmt.Errorf("flag %q: %w: %s", key, ErrInvalid, f.Broken)
		case f.Version == 0 && len(f.Definition.Variants) == 0, f.Removed != nil:
			return "", fmt.Errorf("flag %q: %w", key, ErrUnknown)
		}
		return do(f)
	})
}

// write puts f in place of r, if nobody else has written meanwhile.
func (c *Control) write(ctx context.Context, r record, f Flag, line *Change) error {
	f.Version = r.Version + 1
	value, err := r.encode(f, line)
	if err != nil {
		return fmt.Errorf("flag %q: %w", r.Key, err)
	}
	w := store.Write{Key: keyPrefix + r.Key, Value: value, Expect: r.revision}
	if f.Removed != nil {
		w.TTL = RemovedKept
	}
	if _, err := c.store.Put(ctx, w); err != nil {
		return fmt.Errorf("flag %q: %w", r.Key, err)
	}
	return nil
}

func (c *Control) stamp(why string) Stamp { return Stamp{time.Now().UTC(), c.by, why} }

// Shed turns flags up to level down to their off variant; below Normal and Low in
// that order. nil turns all up again.
func (c *Control) Shed(ctx context.Context, level *Importance, why string) error {
	if level == nil {
		if err := c.store.Delete(ctx, shedKey, store.Any); err != nil {
			return fmt.Errorf("featureflag: turn up what is shed: %w", err)
		}
		return nil
	}
	if *level == Critical {
		return fmt.Errorf("%w: what is critical is never shed", ErrInvalid)
	}
	if shed, err := readShed(ctx, c.store); err == nil && shed != nil && shed.Level == level.String() {
		return nil
	}
	value, err := json.Marshal(Shed{level.String(), c.stamp(why)})
	if err == nil {
		_, err = c.store.Put(ctx, store.Write{Key: shedKey, Value: value, Expect: store.Any})
	}
	if err != nil {
		return fmt.Errorf("featureflag: shed %v: %w", *level, err)
	}
	return nil
}

// Shedding is what is shed now; nil: nothing.
func (c *Control) Shedding(ctx context.Context) (*Shed, error) {
	shed, err := readShed(ctx, c.store)
	if err != nil {
		return nil, fmt.Errorf("featureflag: read what is shed: %w", err)
	}
	return shed, nil
}

// readAll reads what the store has.
func readAll(ctx context.Context, s store.Store) (map[string]Flag, *Shed, error) {
	all := map[string]Flag{}
	for e, err := range s.List(ctx, keyPrefix) {
		if err != nil {
			return nil, nil, err
		}
		r := decode(e)
		all[r.Key] = r.Flag
	}
	shed, err := readShed(ctx, s)
	return all, shed, err
}

// readShed reads what is shed; an entry that cannot be read sheds nothing.
func readShed(ctx context.Context, s store.Store) (*Shed, error) {
	e, err := s.Get(ctx, shedKey)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var shed Shed
	if err := json.Unmarshal(e.Value, &shed); err != nil {
		return nil, nil
	}
	return &shed, nil
}

// present lists the flags that are not removed, in the order of their keys.
func present(all map[string]Flag) []Flag {
	list := make([]Flag, 0, len(all))
	for _, f := range all {
		if f.Removed == nil {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b Flag) int { return cmp.Compare(a.Key, b.Key) })
	return list
}
