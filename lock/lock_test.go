package lock_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/doctest"
	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/lock"
	"github.com/seguehq/segue/store"
)

// patience is how long a test waits for what must happen.
const patience = servertest.Patience

// lease of the tests that wait for its end: a machine that is busy may not keep a
// shorter one. The others have one that no machine is too busy for.
const lease = 8 * time.Second

var long = lock.Lease(10 * patience)

// plain hides that a store keeps locks itself.
type plain struct{ store.Store }

// promises are held on every store, and on every store as if it kept no locks. Each
// has a store of its own: a file in which all of them write at once has to be waited
// for, on a machine that is busy for longer than a lease.
var promises = map[string]func(t *testing.T, open func() store.Store){
	"one at a time, and tokens grow":             oneAtATime,
	"first come, first served":                   firstCome,
	"TryDo says who holds the lock":              tryDo,
	"a cancelled waiter leaves the queue":        cancelledWaiter,
	"called off at any moment, nothing is left":  calledOff,
	"the lease is extended":                      leaseExtended,
	"Extend makes it last":                       extend,
	"a panic releases the lock":                  panics,
	"who holds the lock does not wait for it":    notReentrant,
	"Held by pattern":                            heldByPattern,
	"prefixes keep locks apart":                  prefixes,
	"lost before it is given on":                 lostInTime,
	"a lock that was lost unnoticed is an error": lostUnnoticed,
}

func TestPromises(t *testing.T) {
	t.Parallel()
	for name, test := range promises {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
				if _, ok := open(t).(store.Locker); !ok {
					t.Fatal("the driver keeps no locks")
				}
				test(t, func() store.Store { return open(t) })
			})
		})
		t.Run(name+", with entries", func(t *testing.T) {
			t.Parallel()
			servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
				test(t, func() store.Store { return plain{open(t)} })
			})
		})
	}
}

// state is how the lock stands that has this key.
func state(t *testing.T, l *lock.Locks, key string) lock.Lock {
	t.Helper()
	all, err := l.Held(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		return lock.Lock{}
	}
	return all[0]
}

// take holds a lock until the returned function is called, which says what Do
// has returned.
func take(t *testing.T, l *lock.Locks, key string) (release func() error) {
	t.Helper()
	has, end, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- l.Do(context.Background(), key, func(context.Context) error {
			close(has)
			<-end
			return nil
		})
	}()
	select {
	case <-has:
	case err := <-ended:
		t.Fatal(err)
	case <-time.After(patience):
		t.Fatalf("%s: not to be had within %v", key, patience)
	}
	return sync.OnceValue(func() error {
		close(end)
		return <-ended
	})
}

func oneAtATime(t *testing.T, open func() store.Store) {
	const each, copies = 8, 4
	var inside, last atomic.Int64
	var all sync.WaitGroup
	for range copies {
		l := lock.New(open(), long)
		for range 2 {
			all.Go(func() {
				for range each {
					err := l.Do(t.Context(), "k", func(ctx context.Context) error {
						if n := inside.Add(1); n != 1 {
							t.Errorf("%d hold the lock", n)
						}
						if before := last.Swap(lock.Token(ctx)); before >= lock.Token(ctx) {
							t.Errorf("token %d after %d", lock.Token(ctx), before)
						}
						inside.Add(-1)
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	if s := state(t, lock.New(open()), "*"); s.Key != "" {
		t.Errorf("%+v is still held", s)
	}
}

func firstCome(t *testing.T, open func() store.Store) {
	// The lease is so long that whoever is not woken is not served in time.
	first := lock.New(open(), long)
	release := take(t, first, "k")
	var mu sync.Mutex
	var got []int
	var all sync.WaitGroup
	for n := range 6 {
		l := lock.New(open(), long, lock.As(fmt.Sprint("waiter ", n)))
		all.Go(func() {
			err := l.Do(t.Context(), "k", func(context.Context) error {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, n)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		servertest.Eventually(t, "waiting", func() bool { return len(state(t, first, "k").Waiters) == n+1 })
	}
	waiters := state(t, first, "k").Waiters
	if waiters[5].Name != "waiter 5" || waiters[0].Since.IsZero() {
		t.Errorf("%v wait", waiters)
	}
	begun := time.Now()
	if err := release(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if !slices.IsSorted(got) || time.Since(begun) > 5*patience {
		t.Errorf("served as %v in %v", got, time.Since(begun))
	}
}

func tryDo(t *testing.T, open func() store.Store) {
	l, other := lock.New(open(), long, lock.As("web-a1")), lock.New(open(), long)
	release := take(t, l, "k")
	err := other.TryDo(t.Context(), "k", func(context.Context) error {
		t.Error("ran")
		return nil
	})
	var held *lock.HeldError
	if !errors.As(err, &held) || !errors.Is(err, lock.ErrHeld) {
		t.Fatalf("got %v", err)
	}
	if held.Holder.Name != "web-a1" || held.Key != "k" || !strings.Contains(err.Error(), "web-a1 since ") {
		t.Errorf("%v", err)
	}
	if age := time.Since(held.Holder.Since); age < -time.Minute || age > time.Minute {
		t.Errorf("held since %v, which is %v ago", held.Holder.Since, age)
	}
	if n := len(state(t, l, "k").Waiters); n != 0 {
		t.Errorf("%d wait after TryDo", n)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	ran := false
	if err := other.TryDo(t.Context(), "k", func(context.Context) error { ran = true; return nil }); err != nil || !ran {
		t.Errorf("free, and TryDo says %v", err)
	}
}

func cancelledWaiter(t *testing.T, open func() store.Store) {
	l, other := lock.New(open(), long), lock.New(open(), long)
	release := take(t, l, "k")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- other.Do(ctx, "k", func(context.Context) error { return nil }) }()
	servertest.Eventually(t, "waiting", func() bool { return len(state(t, l, "k").Waiters) == 1 })
	cancel()
	calledOff := time.Now()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	quick := time.Since(calledOff) < tells
	if n := len(state(t, l, "k").Waiters); n != 0 && quick {
		t.Errorf("%d still wait", n)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}

// tells is how long who is called off tries to tell the store. One that takes
// longer, with all else that the machine does, keeps what it has for a lease.
const tells = 3 * time.Second

// Who is called off has neither the lock nor a place when Do returns.
func calledOff(t *testing.T, open func() store.Store) {
	locks := []*lock.Locks{lock.New(open()), lock.New(open())}
	told := 0
	for range 25 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+rand.IntN(15))*time.Millisecond)
		var all sync.WaitGroup
		for n := range 6 {
			all.Go(func() {
				for ctx.Err() == nil {
					err := locks[n%2].Do(ctx, "k", func(context.Context) error { return nil })
					if err != nil && !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
				}
			})
		}
		end, _ := ctx.Deadline()
		all.Wait()
		cancel()
		if time.Since(end) >= tells {
			servertest.Eventually(t, "nothing is left", func() bool { return state(t, locks[0], "k").Key == "" })
			continue
		}
		told++
		if s := state(t, locks[0], "k"); s.Key != "" {
			t.Fatalf("%+v is left", s)
		}
	}
	if told == 0 {
		t.Error("the store was always too slow to be told")
	}
}

// slow is a store that takes its time with locks, for what it does and for what it
// answers.
type slow struct {
	store.Store
	store.Locker
	asked chan struct{} // closed when a lock is asked for
	takes time.Duration
}

func (s *slow) pause(ctx context.Context) error {
	select {
	case <-time.After(s.takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *slow) AcquireLock(ctx context.Context, r store.LockRequest) (store.LockGrant, error) {
	g, err := s.Locker.AcquireLock(ctx, r)
	close(s.asked)
	return g, errors.Join(err, s.pause(ctx))
}

func (s *slow) ReleaseLock(ctx context.Context, key, id string) error {
	if err := s.pause(ctx); err != nil {
		return err
	}
	return s.Locker.ReleaseLock(ctx, key, id)
}

// Who is called off leaves nothing behind in a store that is slow either: others
// would have to wait until the lease has ended.
func TestCalledOffInASlowStoreNothingIsLeft(t *testing.T) {
	t.Parallel()
	data, err := servertest.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	s := &slow{Store: data, Locker: data.(store.Locker), asked: make(chan struct{}), takes: 1200 * time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-s.asked
		cancel()
	}()
	err = lock.New(s).Do(ctx, "k", func(context.Context) error { t.Error("it ran"); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if s := state(t, lock.New(data), "k"); s.Key != "" {
		t.Errorf("%+v is left", s)
	}
}

func leaseExtended(t *testing.T, open func() store.Store) {
	l := lock.New(open(), lock.Lease(lease))
	err := l.Do(t.Context(), "k", func(ctx context.Context) error {
		select {
		case <-time.After(lease * 5 / 4):
		case <-ctx.Done():
			t.Error(context.Cause(ctx))
		}
		return lock.New(open()).TryDo(ctx, "k", func(context.Context) error { return nil })
	})
	if !errors.Is(err, lock.ErrHeld) || errors.Is(err, lock.ErrLost) {
		t.Errorf("got %v", err)
	}
}

// mute is a store that keeps what a holder asks of its locks unanswered, as if the
// network were cut, from a certain moment on.
type mute struct {
	store.Store
	store.Locker
	from context.Context
}

func (m *mute) ExtendLock(ctx context.Context, key, id string, lease time.Duration) error {
	if m.from.Err() != nil {
		<-ctx.Done()
		return ctx.Err()
	}
	return m.Locker.ExtendLock(ctx, key, id, lease)
}

func (m *mute) ReleaseLock(ctx context.Context, key, id string) error {
	if m.from.Err() != nil {
		<-ctx.Done()
		return ctx.Err()
	}
	return m.Locker.ReleaseLock(ctx, key, id)
}

func lostInTime(t *testing.T, open func() store.Store) {
	from, cut := context.WithCancel(t.Context())
	var s store.Store = &expiring{open(), from}
	if locker, ok := store.LockerOf(open()); ok {
		s = &mute{s, locker, from}
	}
	err := lock.New(s, lock.Lease(lease/2)).Do(t.Context(), "k", func(ctx context.Context) error {
		next := make(chan error)
		go func() {
			next <- lock.New(open()).Do(t.Context(), "k", func(context.Context) error {
				if ctx.Err() == nil {
					t.Error("given on while the holder had it")
				}
				return nil
			})
		}()
		cut()
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), lock.ErrLost) {
			t.Errorf("cause %v", context.Cause(ctx))
		}
		return <-next
	})
	if !errors.Is(err, lock.ErrLost) {
		t.Errorf("got %v", err)
	}
}

// expiring is a store whose writes are not answered from a certain moment on.
type expiring struct {
	store.Store
	from context.Context
}

func (s *expiring) Put(ctx context.Context, w store.Write) (store.Revision, error) {
	if s.from.Err() != nil {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return s.Store.Put(ctx, w)
}

// Somebody takes the lock away: fn notices nothing, but Do says that it may not
// have been alone.
func lostUnnoticed(t *testing.T, open func() store.Store) {
	s := open()
	err := lock.New(s, long).Do(t.Context(), "k", func(ctx context.Context) error {
		return revoke(ctx, s)
	})
	if !errors.Is(err, lock.ErrLost) {
		t.Errorf("got %v", err)
	}
}

// revoke ends what the holder of lock k has.
func revoke(ctx context.Context, s store.Store) error {
	locker, ok := store.LockerOf(s)
	if !ok {
		for e, err := range s.List(ctx, "lock/lease/") {
			if err != nil {
				return err
			}
			if err := s.Delete(ctx, e.Key, store.Any); err != nil {
				return err
			}
		}
		return nil
	}
	for state, err := range locker.Locks(ctx, "k") {
		if err != nil {
			return err
		}
		if err := locker.ReleaseLock(ctx, "k", state.Holder.ID); err != nil {
			return err
		}
	}
	return nil
}

func extend(t *testing.T, open func() store.Store) {
	l := lock.New(open(), long)
	if err := lock.Extend(t.Context(), time.Second); err == nil {
		t.Error("extended what is no lock")
	}
	err := l.Do(t.Context(), "k", func(ctx context.Context) error {
		if err := lock.Extend(ctx, time.Hour); err != nil {
			return err
		}
		if left := state(t, l, "k").Left; left < 30*time.Minute {
			t.Errorf("%v left of an hour", left)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func panics(t *testing.T, open func() store.Store) {
	l := lock.New(open(), long)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = l.Do(t.Context(), "k", func(context.Context) error { panic("as the test wants") })
	}()
	if err := l.TryDo(t.Context(), "k", func(context.Context) error { return nil }); err != nil {
		t.Error(err)
	}
}

func notReentrant(t *testing.T, open func() store.Store) {
	l := lock.New(open(), long)
	err := l.Do(t.Context(), "a", func(ctx context.Context) error {
		return l.Do(ctx, "b", func(ctx context.Context) error {
			return l.Do(ctx, "a", func(context.Context) error { return nil })
		})
	})
	if !errors.Is(err, lock.ErrHeld) {
		t.Errorf("got %v", err)
	}
}

func heldByPattern(t *testing.T, open func() store.Store) {
	l := lock.New(open(), long)
	for _, key := range []string{"order/1", "order/2", "mail/1", "order*"} {
		release := take(t, l, key)
		defer func() {
			if err := release(); err != nil {
				t.Error(err)
			}
		}()
	}
	for pattern, want := range map[string]string{
		"*": "mail/1 order* order/1 order/2", "order/*": "order/1 order/2", "*/1": "mail/1 order/1", "order/?": "order/1 order/2",
		"order/1": "order/1", "or*er*2": "order/2", "none": "", "": "",
	} {
		all, err := l.Held(t.Context(), pattern)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, k := range all {
			got = append(got, k.Key)
			if k.Token <= 0 || k.Left <= 0 || k.Holder.Name == "" {
				t.Errorf("%+v", k)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", pattern, got, want)
		}
	}
}

func prefixes(t *testing.T, open func() store.Store) {
	l, other := lock.New(store.Prefixed(open(), "a/"), long), lock.New(store.Prefixed(open(), "b/"), long)
	same := lock.New(store.Prefixed(open(), "a/"), long)
	release := take(t, l, "k")
	if err := other.TryDo(t.Context(), "k", func(context.Context) error { return nil }); err != nil {
		t.Error(err)
	}
	if s := state(t, same, "*"); s.Key != "k" {
		t.Errorf("%+v is held", s)
	}
	ended := make(chan error)
	go func() { ended <- same.Do(t.Context(), "k", func(context.Context) error { return nil }) }()
	servertest.Eventually(t, "waiting", func() bool { return len(state(t, l, "k").Waiters) == 1 })
	if err := release(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestPage(t *testing.T) {
	doctest.FirstExample(t, "../docs/lock.md", "example_test.go")
}
