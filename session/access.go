package session

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Put sets a value. It is kept as JSON; what has no JSON encoding fails the
// request when the session is saved. Names have no $ in them.
//
// If two requests put the same name at the same time, the one that is saved last
// wins; see Value.Update for values that are made of the present one.
func (m *Manager) Put(ctx context.Context, name string, value any) {
	s := m.of(ctx)
	defer s.mu.Unlock()
	err := checkName(name)
	var raw []byte
	if err == nil {
		raw, err = marshal(name, value)
	}
	if err != nil {
		if s.err == nil {
			s.err = err
		}
		s.status = Modified
		return
	}
	s.put(name, raw)
}

func marshal(name string, value any) (json.RawMessage, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("session: %q cannot be put: %w", name, err)
	}
	return raw, nil
}

// Get is a value as encoding/json reads it into an any: a string, a float64, a
// bool, a []any, a map[string]any; nil if there is none. GetInt and the like, and
// Value, give it its type.
func (m *Manager) Get(ctx context.Context, name string) any { return get[any](ctx, m, name) }

// get is the zero value if there is none, or another type's.
func get[T any](ctx context.Context, m *Manager, name string) T {
	raw, ok := m.peek(ctx, name)
	if !ok {
		return *new(T)
	}
	v, _ := unmarshal[T](name, raw)
	return v
}

// unmarshal returns the zero value with an error, not what was read until then.
func unmarshal[T any](name string, raw json.RawMessage) (T, error) {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		return *new(T), fmt.Errorf("%w: %q: %w", ErrUnreadable, name, err)
	}
	return v, nil
}

// Pop gets a value and removes it. Two requests at the same time may both get it.
func (m *Manager) Pop(ctx context.Context, name string) any { return pop[any](ctx, m, name) }

func pop[T any](ctx context.Context, m *Manager, name string) T {
	v := get[T](ctx, m, name)
	m.Remove(ctx, name)
	return v
}

// Remove removes a value in all its versions.
func (m *Manager) Remove(ctx context.Context, name string) {
	s := m.of(ctx)
	defer s.mu.Unlock()
	s.remove(name)
}

// Clear removes all values. Token and deadline stay.
func (m *Manager) Clear(ctx context.Context) error {
	s := m.of(ctx)
	defer s.mu.Unlock()
	s.clear()
	return nil
}

// Exists reports whether there is a value, in whatever version.
func (m *Manager) Exists(ctx context.Context, name string) bool {
	s := m.of(ctx)
	defer s.mu.Unlock()
	return checkName(name) == nil && s.record.has(name)
}

// Keys are the names of all values, sorted.
func (m *Manager) Keys(ctx context.Context) []string {
	s := m.of(ctx)
	defer s.mu.Unlock()
	return s.record.values()
}

// Status says what has become of the session in this request.
func (m *Manager) Status(ctx context.Context) Status {
	s := m.of(ctx)
	defer s.mu.Unlock()
	return s.status
}

// The zero value stands for a value that is not there, or has another type.

// GetString is a value that is a string.
func (m *Manager) GetString(ctx context.Context, name string) string {
	return get[string](ctx, m, name)
}

// GetBool is a value that is a bool.
func (m *Manager) GetBool(ctx context.Context, name string) bool { return get[bool](ctx, m, name) }

// GetInt is a value that is an integer.
func (m *Manager) GetInt(ctx context.Context, name string) int { return get[int](ctx, m, name) }

// GetInt64 is a value that is an integer.
func (m *Manager) GetInt64(ctx context.Context, name string) int64 { return get[int64](ctx, m, name) }

// GetInt32 is a value that is an integer.
func (m *Manager) GetInt32(ctx context.Context, name string) int32 { return get[int32](ctx, m, name) }

// GetFloat is a value that is a number.
func (m *Manager) GetFloat(ctx context.Context, name string) float64 {
	return get[float64](ctx, m, name)
}

// GetBytes is a value that was put as a []byte.
func (m *Manager) GetBytes(ctx context.Context, name string) []byte { return get[[]byte](ctx, m, name) }

// GetTime is a value that was put as a time.Time.
func (m *Manager) GetTime(ctx context.Context, name string) time.Time {
	return get[time.Time](ctx, m, name)
}

// PopString gets a string and removes it.
func (m *Manager) PopString(ctx context.Context, name string) string {
	return pop[string](ctx, m, name)
}

// PopBool gets a bool and removes it.
func (m *Manager) PopBool(ctx context.Context, name string) bool { return pop[bool](ctx, m, name) }

// PopInt gets an integer and removes it.
func (m *Manager) PopInt(ctx context.Context, name string) int { return pop[int](ctx, m, name) }

// PopFloat gets a number and removes it.
func (m *Manager) PopFloat(ctx context.Context, name string) float64 {
	return pop[float64](ctx, m, name)
}

// PopBytes gets what was put as a []byte and removes it.
func (m *Manager) PopBytes(ctx context.Context, name string) []byte { return pop[[]byte](ctx, m, name) }

// PopTime gets what was put as a time.Time and removes it.
func (m *Manager) PopTime(ctx context.Context, name string) time.Time {
	return pop[time.Time](ctx, m, name)
}
