package main

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/seguehq/segue/store"
)

// patience is how long a request waits for a store that does not answer, because
// it is being restarted.
const patience = 10 * time.Second

// insist asks again while the store does not answer. An answer may have been lost
// on its way, so that a write is done twice: each below says what it expects, and
// whoever calls it takes what it finds done for done.
func insist(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 250*time.Millisecond) {
		err := ask(ctx)
		if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// read reads an entry as the type that it was written as.
func read[T any](ctx context.Context, s store.Store, key string) (v T, revision store.Revision, err error) {
	var e store.Entry
	err = insist(ctx, func(ctx context.Context) (err error) { e, err = s.Get(ctx, key); return err })
	if err == nil {
		err = json.Unmarshal(e.Value, &v)
	}
	return v, e.Revision, err
}

// write writes an entry if its revision is the expected one, and otherwise returns
// store.ErrConflict.
func write(ctx context.Context, s store.Store, key string, expect store.Revision, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return insist(ctx, func(ctx context.Context) error {
		_, err := s.Put(ctx, store.Write{Key: key, Value: data, Expect: expect})
		return err
	})
}

// create writes an entry unless it is there.
func create(ctx context.Context, s store.Store, key string, v any) error {
	err := write(ctx, s, key, store.Absent, v)
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

// update changes an entry that is there. If another has written meanwhile, change
// is called again with what that one wrote; when it returns false nothing is
// written.
func update[T any](ctx context.Context, s store.Store, key string, change func(*T) bool) error {
	for {
		v, revision, err := read[T](ctx, s, key)
		if err != nil || !change(&v) {
			return err
		}
		if err := write(ctx, s, key, revision, v); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// everything is a number that no list has.
const everything = math.MaxInt

// list returns the first most entries under a prefix, in the order of their keys.
func list[T any](ctx context.Context, s store.Store, prefix string, most int) ([]T, error) {
	var entries []store.Entry
	err := insist(ctx, func(ctx context.Context) error {
		entries = entries[:0]
		for e, err := range s.List(ctx, prefix) {
			if err != nil {
				return err
			}
			if entries = append(entries, e); len(entries) == most {
				break
			}
		}
		return nil
	})
	all := make([]T, len(entries))
	for n, e := range entries {
		err = errors.Join(err, json.Unmarshal(e.Value, &all[n]))
	}
	return all, err
}
