package session

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/seguehq/segue/internal/unknown"
)

// A Value is one value of a session, with its type and the version of its shape:
//
//	var cart = session.Value[Cart]{Sessions: sessions, Name: "cart"}
//
// While a fleet is being replaced, two releases work on one session, which may
// take the value for two different things. What the other release has written
// is kept:
//
//   - A shape that got a field needs nothing. The older release reads what it
//     knows, and what it writes keeps the fields that it does not know.
//   - A shape that the other release cannot read gets another Version. Each version
//     is kept beside the others, and a release sees its own; the newer may read
//     the older one's by Older.
//   - Without that, Put and Update refuse with ErrUnreadable to write over what
//     they cannot read. Remove removes it, in all versions.
//
// So a user must not be logged out by writing an empty value: by Destroy, or by
// Remove.
type Value[T any] struct {
	Sessions *Manager
	Name     string
	// Version grows with each shape that the one before cannot read. Manager.Put
	// and Get use version 0.
	Version int
	// Older makes a value of the newest older version, if there is none of this
	// version. It is not written back until Put or Update.
	Older func(version int, data json.RawMessage) (T, error)
}

// Get is the value, or the zero value if there is none that this release may
// read. One that should be readable and is not is ErrUnreadable.
func (v Value[T]) Get(ctx context.Context) (T, error) {
	s := v.Sessions.of(ctx)
	defer s.mu.Unlock()
	raw, older := v.find(s.record)
	return v.read(raw, older)
}

// find is the value of this version, or the newest of an older one and which.
func (v Value[T]) find(r record) (raw json.RawMessage, older int) {
	if raw, ok := r[v.slot()]; ok {
		return raw, v.Version
	}
	newest := -1
	for name, raw2 := range r {
		if n := v.versionOf(name); v.Older != nil && n < v.Version && n > newest {
			newest, raw = n, raw2
		}
	}
	return raw, newest
}

// versionOf is -1 for what is another value.
func (v Value[T]) versionOf(name string) int {
	base, version, ok := strings.Cut(name, "$")
	if base != v.Name {
		return -1
	}
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(version)
	if err != nil {
		return -1
	}
	return n
}

func (v Value[T]) slot() string { return versioned(v.Name, v.Version) }

func (v Value[T]) read(raw json.RawMessage, version int) (T, error) {
	switch {
	case raw == nil:
		return *new(T), nil
	case version == v.Version:
		return unmarshal[T](v.Name, raw)
	}
	value, err := v.Older(version, raw)
	if err != nil {
		return value, fmt.Errorf("%w: %q, of version %d: %w", ErrUnreadable, v.Name, version, err)
	}
	return value, nil
}

// Put sets the value, in this version alone.
func (v Value[T]) Put(ctx context.Context, value T) error {
	s, err := v.change(ctx)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	present := s.record[v.slot()]
	if present != nil {
		if _, err := unmarshal[T](v.Name, present); err != nil {
			return err
		}
	}
	raw, err := marshal(v.Name, value)
	if err != nil {
		return err
	}
	raw, err = unknown.Keep[T](present, raw)
	if err != nil {
		return err
	}
	s.put(v.slot(), raw)
	return nil
}

// Update makes a new value of the present one. If other requests change it at the
// same time, fn is called again with what they made of it, so that no update is
// lost: it may be called several times, and must do nothing but return the new
// value. An error of fn in the first call leaves the session as it is, in a later
// one fails the request.
func (v Value[T]) Update(ctx context.Context, fn func(T) (T, error)) error {
	s, err := v.change(ctx)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	older, version := v.find(s.record)
	return s.update(v.slot(), func(present json.RawMessage) (json.RawMessage, error) {
		from, at := present, v.Version
		if from == nil {
			from, at = older, version
		}
		value, err := v.read(from, at)
		if err == nil {
			value, err = fn(value)
		}
		if err != nil {
			return nil, err
		}
		raw, err := marshal(v.Name, value)
		if err != nil {
			return nil, err
		}
		return unknown.Keep[T](present, raw)
	})
}

// change is the session, locked, if the value can be written.
func (v Value[T]) change(ctx context.Context) (*state, error) {
	if err := checkName(v.Name); err != nil {
		return nil, err
	}
	if v.Version < 0 {
		return nil, fmt.Errorf("session: %q has version %d; versions begin at 0", v.Name, v.Version)
	}
	return v.Sessions.of(ctx), nil
}

// Remove removes the value, in all versions.
func (v Value[T]) Remove(ctx context.Context) { v.Sessions.Remove(ctx, v.Name) }
