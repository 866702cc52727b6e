package rollout

import (
	"slices"
	"sync"

	"github.com/seguehq/segue/internal/deploy"
)

// A Fleet is what is known of a service's instances. It may be used by any
// number of goroutines.
type Fleet struct {
	mu      sync.Mutex
	all     []deploy.Instance
	unfit   map[string]string // by ID, why
	changed chan struct{}
}

// NewFleet returns a fleet of the given instances, oldest first.
func NewFleet(instances []deploy.Instance) *Fleet {
	return &Fleet{all: slices.Clone(instances), unfit: map[string]string{}, changed: make(chan struct{}, 1)}
}

// List returns the instances that are not over, oldest first.
func (f *Fleet) List() []deploy.Instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.all)
}

// Get returns the instance with that ID, if it is not over.
func (f *Fleet) Get(id string) (deploy.Instance, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.index(id); n >= 0 {
		return f.all[n], true
	}
	return deploy.Instance{}, false
}

// Add puts in a new instance.
func (f *Fleet) Add(i deploy.Instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, i)
	f.wake()
}

// Set moves an instance to a state and reports whether that was legal and
// new. One that is over leaves the fleet.
func (f *Fleet) Set(id string, state deploy.State) bool {
	return f.Update(id, func(i *deploy.Instance) bool {
		if i.State == state || i.State.To(state) != nil {
			return false
		}
		i.State = state
		return true
	})
}

// Update changes an instance under the fleet's lock; change reports whether it
// changed anything, and so does Update.
func (f *Fleet) Update(id string, change func(*deploy.Instance) bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.index(id)
	if n < 0 || !change(&f.all[n]) {
		return false
	}
	if !f.all[n].State.Live() {
		f.all = slices.Delete(f.all, n, n+1)
		delete(f.unfit, id)
	}
	f.wake()
	return true
}

// Report tells that an instance has ended or is no longer alive, and why.
// Whatever strategy is at work gives it up and acts on it.
func (f *Fleet) Report(id, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.index(id) >= 0 {
		f.unfit[id] = why
		f.wake()
	}
}

// Unfit returns why an instance was reported, or "".
func (f *Fleet) Unfit(id string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unfit[id]
}

// Changed receives after one or more changes. Only one goroutine may wait.
func (f *Fleet) Changed() <-chan struct{} { return f.changed }

func (f *Fleet) index(id string) int {
	return slices.IndexFunc(f.all, func(i deploy.Instance) bool { return i.ID == id })
}

// wake makes Changed receive.
func (f *Fleet) wake() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}
