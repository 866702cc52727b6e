package memory

import (
	"bytes"
	"context"

	"github.com/seguehq/segue/store"
)

// PutBelow implements store.Decider.
func (s *Store) PutBelow(ctx context.Context, w store.Write, bound []byte) (store.Entry, error) {
	w.Expect = store.Any
	if err := w.Check(); err != nil {
		return store.Entry{}, err
	}
	if err := s.enter(ctx); err != nil {
		return store.Entry{}, err
	}
	defer s.data.mu.Unlock()
	e, there := s.data.live(w.Key)
	err := store.ErrConflict
	if !there || bytes.Compare(e.Value, bound) < 0 {
		e, err = s.data.put(w), nil
	}
	e.Value = bytes.Clone(e.Value)
	return e, err
}
