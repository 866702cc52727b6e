package featureflag

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"strings"
	"time"

	"github.com/seguehq/segue/store"
)

// How Flags keeps up. A watcher tells of each change; the rest is for one that has fallen
// silent without knowing it.
const (
	patience  = 10 * time.Second // for one reading
	tryAgain  = 50 * time.Millisecond
	tryAtMost = time.Second      // between tries while the store is away
	lookAgain = 20 * time.Second // the flags that are known are read again
	listAgain = 15               // every so many of those: also those that are not known
	atOnce    = 256              // changes that wait, and are then read together
)

// Run reads the flags and keeps up with changes until ctx ends, and returns nil
// then. It outlasts whatever happens to the store: the last values stay in force
// and it tries on.
func (f *Flags) Run(ctx context.Context) error {
	away := false
	for pause := tryAgain; ctx.Err() == nil; pause = min(2*pause, tryAtMost) {
		err := f.attend(ctx, func() {
			if away {
				f.log.Info("the flags' store is back")
			}
			away, pause = false, tryAgain
		})
		if ctx.Err() != nil {
			break
		}
		if !away {
			f.log.Warn("the flags' store is away; the last values stay", "error", err)
			away = true
		}
		rest(ctx, pause)
	}
	return nil
}

func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// attend watches, reads everything, says so, and keeps up until something fails.
func (f *Flags) attend(ctx context.Context, there func()) error {
	w, err := within(ctx, func(ctx context.Context) (store.Watcher, error) { return f.store.Watch(ctx, watched) })
	if err != nil {
		return err
	}
	told := make(chan store.Change, atOnce)
	listening, stop := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() { defer close(over); listen(listening, w, told) }()
	defer func() { stop(); _ = w.Close(); <-over }() // nothing is lost with it
	if err := f.readAll(ctx); err != nil {
		return err
	}
	there()
	return f.keepUp(ctx, told)
}

// listen passes on what a watcher tells until that ends.
func listen(ctx context.Context, w store.Watcher, told chan<- store.Change) {
	defer close(told)
	for {
		c, err := w.Next(ctx)
		if err != nil {
			return
		}
		select {
		case told <- c:
		case <-ctx.Done():
			return
		}
	}
}

var errSilent = errors.New("the watcher has ended")

// keepUp reads again what has changed, and from time to time what has not.
func (f *Flags) keepUp(ctx context.Context, told <-chan store.Change) error {
	t := time.NewTicker(lookAgain)
	defer t.Stop()
	for n := 1; ; {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case c, ok := <-told:
			if !ok {
				return errSilent
			}
			err = f.readChanged(ctx, gather(c, told))
		case <-t.C:
			if n++; n%listAgain == 0 {
				err = f.readAll(ctx)
			} else {
				err = f.readChanged(ctx, f.known())
			}
		}
		if err != nil {
			return err
		}
	}
}

// gather is a change and those that wait behind it, by their keys; nil: everything.
func gather(c store.Change, told <-chan store.Change) map[string]bool {
	keys := map[string]bool{}
	for ok := true; ok; {
		if c.Missed {
			return nil
		}
		keys[c.Key] = true
		select {
		case c, ok = <-told:
		default:
			return keys
		}
	}
	return keys
}

// known are the keys that there are entries of.
func (f *Flags) known() map[string]bool {
	keys := map[string]bool{shedKey: true}
	for key := range f.flags { // written by this goroutine alone
		keys[keyPrefix+key] = true
	}
	return keys
}

// readChanged reads some keys again; nil: all that there are.
func (f *Flags) readChanged(ctx context.Context, keys map[string]bool) error {
	if keys == nil {
		return f.readAll(ctx)
	}
	flags, shed := maps.Clone(f.flags), f.shed
	for key := range keys {
		var err error
		if name, ok := strings.CutPrefix(key, keyPrefix); ok {
			err = f.readOne(ctx, name, flags)
		} else if key == shedKey {
			shed, err = within(ctx, func(ctx context.Context) (*Shed, error) { return readShed(ctx, f.store) })
		}
		if err != nil {
			return err
		}
	}
	if !reflect.DeepEqual(flags, f.flags) || !reflect.DeepEqual(shed, f.shed) {
		f.take(flags, shed)
	}
	return nil
}

// readOne reads a flag again into flags.
func (f *Flags) readOne(ctx context.Context, name string, flags map[string]Flag) error {
	e, err := within(ctx, func(ctx context.Context) (store.Entry, error) { return f.store.Get(ctx, keyPrefix+name) })
	switch {
	case errors.Is(err, store.ErrNotFound):
		delete(flags, name)
		return nil
	case err != nil:
		return err
	}
	flags[name] = decode(e).Flag
	return nil
}

// readAll reads everything.
func (f *Flags) readAll(ctx context.Context) error {
	type all struct {
		flags map[string]Flag
		shed  *Shed
	}
	got, err := within(ctx, func(ctx context.Context) (a all, err error) {
		a.flags, a.shed, err = readAll(ctx, f.store)
		return a, err
	})
	if err == nil {
		f.take(got.flags, got.shed)
	}
	return err
}

// within bounds a call to the store.
func within[T any](ctx context.Context, do func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return do(ctx)
}
