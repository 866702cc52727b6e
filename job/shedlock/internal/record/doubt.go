package record

import (
	"context"
	"sync"
	"time"
)

// Doubts are the grants of which a guard did not learn whether it got them, since
// the connection broke or the context ended before the answer. Nobody would unlock
// them: the guard would refuse its own process until their time is over. The zero
// value has none.
type Doubts struct {
	mu  sync.Mutex
	all map[string]doubt // by what each is known by
}

type doubt struct {
	grant Grant
	until time.Time // it has ended by then, if it was given
}

// take asks for a grant. One that turns out to be held by itself was asked for
// twice, by a client that sends again what failed.
func (d *Doubts) take(ctx context.Context, atMost time.Duration, id string, g Grant) (ok bool, by string, err error) {
	ok, by, err = g.Take(ctx, atMost)
	if err != nil {
		d.add(id, doubt{g, time.Now().Add(2 * atMost)})
		return false, "", err
	}
	return ok || by == id, by, nil
}

func (d *Doubts) add(id string, new doubt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all == nil {
		d.all = map[string]doubt{}
	}
	for id, old := range d.all {
		if time.Now().After(old.until) {
			delete(d.all, id)
		}
	}
	d.all[id] = new
}

// settle ends a lock that is held by a grant in doubt, and says whether it was.
func (d *Doubts) settle(ctx context.Context, by string) (bool, error) {
	d.mu.Lock()
	old, ok := d.all[by]
	delete(d.all, by) // whoever finds it settles it
	d.mu.Unlock()
	if !ok {
		return false, nil
	}
	if _, err := old.grant.Unlock(ctx, 0); err != nil {
		d.add(by, old)
		return false, err
	}
	return true, nil
}
