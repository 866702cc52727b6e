package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/seguehq/segue/store"
)

// A checkpoint is how far a run has come.
type checkpoint struct {
	Run    string          `json:"run"`            // the ID of the run that has it
	Part   int             `json:"part,omitempty"` // and which part of that
	Number int             `json:"number"`         // grows with each
	Done   bool            `json:"done,omitempty"` // the run has come to its end, and needs it no more
	State  json.RawMessage `json:"state,omitempty"`
}

// readCheckpoint reads a job's checkpoint; there may be none.
func readCheckpoint(ctx context.Context, s store.Store, name string) (c checkpoint, revision store.Revision, err error) {
	e, err := s.Get(ctx, checkpointPrefix+name)
	if errors.Is(err, store.ErrNotFound) {
		return c, store.Absent, nil
	}
	if err == nil {
		err = json.Unmarshal(e.Value, &c)
	}
	return c, e.Revision, err
}

// maxCheckpoint is how many bytes a state may have.
const maxCheckpoint = 1 << 20

// progress is a run's hand on the checkpoint of its job.
type progress struct {
	mu       sync.Mutex // held while the store is asked
	known    bool       // what follows was read
	last     checkpoint
	revision store.Revision
}

// save writes a state down.
func (r *running) save(ctx context.Context, state any) error {
	raw, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("job: checkpoint of %q: %w", r.name, err)
	}
	if len(raw) > maxCheckpoint {
		return fmt.Errorf("job: checkpoint of %q: a state of %d bytes; it has %d at most: keep what is large elsewhere, and its place here", r.name, len(raw), maxCheckpoint)
	}
	p := &r.progress
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := r.learn(ctx); err != nil {
		return err
	}
	return r.put(ctx, checkpoint{Number: p.last.Number + 1, State: raw})
}

// load reads the last state, if there is one, and makes it this run's: whoever had
// it before writes it no more.
func (r *running) load(ctx context.Context, state any) (bool, error) {
	p := &r.progress
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		p.known = false
		if err := r.learn(ctx); err != nil {
			return false, err
		}
		if p.last.Done || p.last.State == nil {
			return false, nil
		}
		err := r.put(ctx, checkpoint{Number: p.last.Number, State: p.last.State})
		if errors.Is(err, errOvertaken) && r.look() == nil {
			continue // who had it before has written a last time
		}
		if err != nil {
			return false, err
		}
		if err := json.Unmarshal(p.last.State, state); err != nil {
			return false, fmt.Errorf("job: resume %q: the checkpoint of another release cannot be read into %T: %w", r.name, state, err)
		}
		return true, nil
	}
}

// learn reads what is there, once. p.mu is held.
func (r *running) learn(ctx context.Context) (err error) {
	p := &r.progress
	if p.known {
		return nil
	}
	if p.last, p.revision, err = readCheckpoint(ctx, r.store, r.name); err != nil {
		return fmt.Errorf("job: checkpoint of %q: %w", r.name, err)
	}
	p.known = true
	return nil
}

var errOvertaken = errors.New("another has written a checkpoint")

// put writes a checkpoint of this run in the place of the one that is known. p.mu
// is held.
func (r *running) put(ctx context.Context, c checkpoint) error {
	if err := r.look(); err != nil {
		return err
	}
	p := &r.progress
	c.Run, c.Part = r.run.ID, r.run.Part
	value, err := json.Marshal(c)
	if err != nil {
		return err
	}
	key := checkpointPrefix + r.name
	revision, err := r.store.Put(ctx, store.Write{Key: key, Value: value, Expect: p.revision})
	if errors.Is(err, store.ErrConflict) {
		e, lookErr := r.store.Get(ctx, key)
		switch {
		case lookErr == nil && string(e.Value) == string(value): // an answer was lost
			revision, err = e.Revision, nil
		case lookErr == nil || errors.Is(lookErr, store.ErrNotFound):
			return fmt.Errorf("job: checkpoint of %q: %w: %w", r.name, ErrLost, errOvertaken)
		default:
			err = lookErr
		}
	}
	if err != nil {
		return fmt.Errorf("job: checkpoint of %q: %w", r.name, err)
	}
	p.last, p.revision = c, revision
	return nil
}

// settle says that the run has come to its end, before its record does: who finds
// the record of a process that died in between begins nothing again.
func (r *running) settle(ctx context.Context) error {
	p := &r.progress
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.known || p.last.State == nil || p.last.Done {
		return nil
	}
	return r.put(ctx, checkpoint{Number: p.last.Number, Done: true})
}
