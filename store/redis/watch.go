package redis

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/seguehq/segue/store"
)

// A listener hears what the scripts publish, for all watchers of the store: from
// the first one on until the store is closed.
type listener struct {
	ctx    context.Context
	cancel context.CancelFunc
	start  sync.Once
	ready  chan struct{} // closed when it has heard for the first time
	failed chan error    // why it has not yet, for who waits
	done   sync.WaitGroup
}

func (l *listener) init() {
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.ready, l.failed = make(chan struct{}), make(chan error)
}

func (l *listener) stop() {
	l.cancel()
	l.start.Do(func() {}) // none is started any more
	l.done.Wait()
}

// tell says why nothing is heard, if anybody waits for it.
func (l *listener) tell(err error) {
	select {
	case l.failed <- err:
	default:
	}
}

// Watch implements store.Store. Redis tells nothing of what was published while
// nobody was connected: after each loss of the connection watchers have Missed.
func (s *Store) Watch(ctx context.Context, prefix string) (store.Watcher, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	w, err := s.hub.Watch(prefix, nil)
	if err != nil {
		return nil, err
	}
	l := &s.listener
	l.start.Do(func() { l.done.Go(s.listen) })
	select {
	case <-l.ready: // if it does not hear at the moment, it will say Missed
		return w, nil
	case err = <-l.failed:
	case <-l.ctx.Done():
		err = store.ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = w.Close()
	return nil, s.fail(ctx, "watch", prefix, err)
}

// listen subscribes again whenever the connection breaks.
func (s *Store) listen() {
	l := &s.listener
	var heard atomic.Bool // since it was last looked
	subscribed := rueidis.WithOnSubscriptionHook(l.ctx, func(c rueidis.PubSubSubscription) {
		if c.Kind != "subscribe" {
			return
		}
		heard.Store(true)
		select {
		case <-l.ready:
			s.hub.Missed()
		default:
			close(l.ready)
		}
	})
	for wait := time.Duration(0); l.ctx.Err() == nil; {
		err := s.client.Receive(subscribed, s.client.B().Subscribe().Channel(s.set.changes()).Build(),
			func(m rueidis.PubSubMessage) { s.hub.Changed(m.Message) })
		if heard.Swap(false) {
			wait = 0
		} else {
			l.tell(err)
		}
		wait = min(max(2*wait, 10*time.Millisecond), time.Second)
		select {
		case <-time.After(wait):
		case <-l.ctx.Done():
		}
	}
}
