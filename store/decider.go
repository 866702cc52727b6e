package store

import (
	"bytes"
	"context"
	"errors"
)

// A Decider is a store that compares values itself, so that a write which depends
// on what is there takes one round trip, whoever wins. [PutBelow] uses it where it
// is there, and does the same with Get and Put where it is not.
type Decider interface {
	// PutBelow writes an entry if there is none under its key, or if the value that
	// is there is less than bound, byte by byte (as bytes.Compare has it), and
	// returns it with its new revision (Expires may be left out). Otherwise it returns
	// ErrConflict and the entry that stands in the way, as Get would. What w expects
	// is not looked at.
	PutBelow(ctx context.Context, w Write, bound []byte) (Entry, error)
}

// DeciderOf returns the Decider that s is, also if it is one behind Prefixed.
func DeciderOf(s Store) (Decider, bool) {
	p, ok := s.(*prefixed)
	if !ok {
		d, ok := s.(Decider)
		return d, ok
	}
	d, ok := DeciderOf(p.Store)
	return prefixedDecider{d, p.prefix}, ok
}

type prefixedDecider struct {
	decider Decider
	prefix  string
}

func (p prefixedDecider) PutBelow(ctx context.Context, w Write, bound []byte) (Entry, error) {
	key := w.Key
	w.Key = p.prefix + key
	e, err := p.decider.PutBelow(ctx, w, bound)
	if e.Key != "" {
		e.Key = key
	}
	return e, err
}

// PutBelow is what a [Decider] does, on any store.
func PutBelow(ctx context.Context, s Store, w Write, bound []byte) (Entry, error) {
	if d, ok := DeciderOf(s); ok {
		return d.PutBelow(ctx, w, bound)
	}
	for {
		e, err := s.Get(ctx, w.Key)
		switch {
		case errors.Is(err, ErrNotFound):
			e.Revision = Absent
		case err != nil:
			return Entry{}, err
		case bytes.Compare(e.Value, bound) >= 0:
			return e, ErrConflict
		}
		w.Expect = e.Revision
		revision, err := s.Put(ctx, w)
		if errors.Is(err, ErrConflict) {
			continue // another has written meanwhile: what stands there now decides
		}
		return Entry{Key: w.Key, Value: bytes.Clone(w.Value), Revision: revision}, err
	}
}
