package job_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/store"
)

// A link is one instance's way to the store, which can be cut, and which counts.
type link struct {
	store.Store
	isCut  atomic.Bool
	behind time.Duration // of the store's clock from that of the instance
	claims atomic.Int64  // writes below a bound
	others atomic.Int64  // other calls about the states of jobs
}

var errCut = errors.New("the link is cut")

func (l *link) ask(key string) error {
	if strings.HasPrefix(key, "job/state/") {
		l.others.Add(1)
	}
	if l.isCut.Load() {
		return errCut
	}
	return nil
}

func (l *link) Get(ctx context.Context, key string) (store.Entry, error) {
	if err := l.ask(key); err != nil {
		return store.Entry{}, err
	}
	e, err := l.Store.Get(ctx, key)
	if !e.Expires.IsZero() {
		e.Expires = e.Expires.Add(-l.behind)
	}
	return e, err
}

func (l *link) Put(ctx context.Context, w store.Write) (store.Revision, error) {
	if err := l.ask(w.Key); err != nil {
		return 0, err
	}
	return l.Store.Put(ctx, w)
}

func (l *link) PutBelow(ctx context.Context, w store.Write, bound []byte) (store.Entry, error) {
	l.claims.Add(1)
	if l.isCut.Load() {
		return store.Entry{}, errCut
	}
	return store.PutBelow(ctx, l.Store, w, bound)
}

func (l *link) Delete(ctx context.Context, key string, expect store.Revision) error {
	if err := l.ask(key); err != nil {
		return err
	}
	return l.Store.Delete(ctx, key, expect)
}

func (l *link) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	if err := l.ask(""); err != nil {
		return func(yield func(store.Entry, error) bool) { yield(store.Entry{}, err) }
	}
	return l.Store.List(ctx, prefix)
}

func (f *fleet) linked(name string, options ...job.Option) (*member, *link) {
	l := &link{Store: f.open()}
	return f.memberOn(l, name, options...), l
}

func TestAClaimIsOneRoundTripForEachInstance(t *testing.T) {
	inBubble(t, func(f *fleet) {
		var links []*link
		for n := range 100 {
			m, l := f.linked(fmt.Sprint("web", n))
			m.add("sync", job.Every(minute), takes(second)).start()
			links = append(links, l)
		}
		passes(minute - second)
		others := make([]int64, len(links))
		for n, l := range links {
			others[n] = l.others.Load()
		}
		passes(second) // the run has just begun
		for n, l := range links {
			if claims, more := l.claims.Load(), l.others.Load()-others[n]; claims != 2 || more > 0 {
				t.Errorf("instance %d: %d claims for 2 times, and %d other calls", n, claims, more)
			}
		}
	})
}

func TestAStoreThatIsAwayWhenTheJobIsDueIsAskedAgain(t *testing.T) {
	inBubble(t, func(f *fleet) {
		m, l := f.linked("a")
		m.add("sync", job.Every(10*minute), takes(second)).start()
		passes(9 * minute)
		l.isCut.Store(true)
		passes(3 * minute)
		l.isCut.Store(false)
		passes(minute)
		runs := f.runs("sync")
		if len(runs) != 2 || runs[1].slot != 10*minute || runs[1].begun < 12*minute || runs[1].begun > 12*minute+10*second {
			t.Errorf("runs %v", runs)
		}
		if len(f.alarms) != 1 || f.alarms[0].Kind != job.Overdue || f.alarms[0].Slot.Sub(epoch()) != 10*minute {
			t.Errorf("alarms %v", f.alarms)
		}
		// What the store was away for altogether is skipped.
		l.isCut.Store(true)
		passes(25 * minute)
		l.isCut.Store(false)
		passes(minute)
		f.wantSlots("sync", 0, 10*minute, 30*minute)
		f.wantHistory("sync", "0s done", "10m0s done", "20m0s skipped 1", "30m0s done")
	})
}

func TestAnInstanceMayStartBeforeTheStoreIsThere(t *testing.T) {
	inBubble(t, func(f *fleet) {
		m, l := f.linked("a")
		l.isCut.Store(true)
		m.add("sync", job.Every(10*second), takes(second)).start()
		passes(25 * second)
		l.isCut.Store(false)
		passes(20 * second)
		if got := f.slots("sync"); !slices.Equal(got[len(got)-2:], []time.Duration{30 * second, 40 * second}) {
			t.Errorf("ran for %v", got)
		}
	})
}

func TestARunnerThatCannotReachTheStoreIsCalledOffBeforeAnotherBegins(t *testing.T) {
	inBubble(t, func(f *fleet) {
		a, l := f.linked("a")
		a.add("sync", job.Every(30*second), func(ctx context.Context) error {
			if since() > minute {
				return nil
			}
			return heeds(time.Hour)(ctx)
		}, job.Retry(1)).start()
		passes(second)
		f.member("b").add("sync", job.Every(30*second), heeds(second), job.Retry(1)).start()
		passes(4 * second)
		l.isCut.Store(true)
		passes(minute)
		runs := f.runs("sync")
		if !errors.Is(runs[0].err, job.ErrLost) || len(runs) < 2 || runs[1].begun < runs[0].ended || runs[1].slot != 0 {
			t.Errorf("runs %v", runs)
		}
		if d := runs[1].begun - 5*second; d > 30*second { // its lease, and that of the looking
			t.Errorf("another began %v after the cut", d)
		}
		l.isCut.Store(false)
		passes(minute)
		f.wantHistory("sync", "0s died", "0s done", "30s done", "1m0s done", "1m30s done", "2m0s done")
	})
}

func TestALinkThatIsCutForLessThanALeaseCostsNothing(t *testing.T) {
	inBubble(t, func(f *fleet) {
		a, l := f.linked("a")
		a.add("sync", job.Every(time.Hour), heeds(minute)).start()
		f.member("b").add("sync", job.Every(time.Hour), heeds(minute)).start()
		passes(5 * second)
		l.isCut.Store(true)
		passes(5 * second)
		l.isCut.Store(false)
		passes(2 * minute)
		f.wantHistory("sync", "0s done")
	})
}

func TestTwoThousandJobs(t *testing.T) {
	inBubble(t, func(f *fleet) {
		m := f.member("a")
		for n := range 2000 {
			m.add(fmt.Sprint("job", n), job.Every(minute), takes(second))
		}
		m.start()
		passes(2 * second)
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.entries) != 2000 {
			t.Errorf("%d runs", len(f.entries))
		}
	})
}

func TestAnInstanceWhoseClockIsOffGoesByTheStores(t *testing.T) {
	for name, behind := range map[string]time.Duration{"fast": 7*second + time.Hour, "slow": -7 * second, "not quite alike": 80 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(f *fleet) {
				m, l := f.linked("a")
				l.behind = behind
				m.add("sync", job.Every(10*second), takes(second)).start()
				passes(minute)
				runs := f.runs("sync")
				want := behind
				if want.Abs() < second {
					want = 0 // that could as well be the network
				}
				for _, r := range runs[1:] { // the first may have been due before the start
					if r.begun != r.slot+want {
						t.Errorf("the run for %v began at %v", r.slot, r.begun)
					}
				}
				if len(runs) < 6 {
					t.Errorf("%d runs", len(runs))
				}
			})
		})
	}
}
