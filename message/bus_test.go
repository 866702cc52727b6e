package message_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/lifecycle"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/embedded"
	"github.com/seguehq/segue/store"
)

// A rig is a broker and a store in this process's memory.
type rig struct {
	*testing.T
	message.Broker
	store store.Store
}

func newRig(t *testing.T) *rig {
	t.Helper()
	s, err := servertest.Open(t.Context(), "memory:")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t, embedded.New(s), s}
	t.Cleanup(func() {
		if err := errors.Join(r.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// bus is one more instance.
func (r *rig) bus() *message.Bus {
	return message.New(r.Broker, r.store, message.Log(slog.New(slog.DiscardHandler)))
}

// run starts a bus. stop is its drain.
func (r *rig) run(b *message.Bus) (stop func()) { return start(r.T, b.Component()) }

func start(t *testing.T, c lifecycle.Component) (stop func()) {
	t.Helper()
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), servertest.Patience)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

func (r *rig) publish(m ...message.Message) {
	r.Helper()
	if err := r.bus().Publish(r.Context(), m...); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) parked() []message.ParkedMessage {
	r.Helper()
	all, err := message.NewParked(r.store).List(context.WithoutCancel(r.Context()))
	if err != nil {
		r.Fatal(err)
	}
	return all
}

// A diary is what handlers did, in their order.
type diary struct {
	mu      sync.Mutex
	entries []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, fmt.Sprintf(format, args...))
}

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.entries)
}

func (d *diary) want(t *testing.T, want ...string) {
	t.Helper()
	if got := d.read(); !slices.Equal(got, want) {
		t.Errorf("it went\n%q, want\n%q", got, want)
	}
}

func TestAHandlerThatFailsIsTriedAgainEverLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, begun := newRig(t), time.Now()
		var d diary
		b := r.bus()
		b.One("orders", "g", func(_ context.Context, m message.Message) error {
			d.note("%s %d at %v", m.ID, m.Attempt, time.Since(begun))
			if m.ID == "bad" {
				return errors.New("no such article")
			}
			return nil
		}, message.Attempts(4), message.Backoff(time.Second, 10*time.Second))
		defer r.run(b)()
		r.publish(message.Message{ID: "bad", Topic: "orders", Key: "a"}, message.Message{ID: "behind", Topic: "orders", Key: "a"}, message.Message{ID: "other", Topic: "orders", Key: "b"})
		time.Sleep(time.Minute) // of the bubble's
		synctest.Wait()
		d.want(t, "bad 1 at 0s", "other 1 at 0s", "bad 2 at 1s", "bad 3 at 5s", "bad 4 at 15s", "behind 1 at 15s")
		parked := r.parked()
		if len(parked) != 1 || parked[0].Message.ID != "bad" || parked[0].Attempts != 4 || parked[0].Reason != "no such article" || parked[0].Group != "g" {
			t.Errorf("parked: %+v", parked)
		}
	})
}

func TestWhatIsPermanentIsParkedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var d diary
		b := r.bus()
		b.One("orders", "g", message.On(func(_ context.Context, m message.Of[struct{ N int }]) error {
			d.note("%d", m.Value.N)
			if m.Value.N == 1 {
				return fmt.Errorf("really: %w", message.Permanent(errors.New("never")))
			}
			return nil
		}))
		b.One("panics", "g", func(context.Context, message.Message) error { panic("oh") }, message.Attempts(2))
		defer r.run(b)()
		r.publish(message.Message{Topic: "orders", Body: []byte(`{"N": 1}`)}, message.Message{Topic: "orders", Body: []byte(`no JSON`)}, message.Message{Topic: "orders", Body: []byte(`{"N": 2}`)},
			message.Message{Topic: "panics"})
		time.Sleep(time.Minute)
		synctest.Wait()
		d.want(t, "1", "2")
		var reasons []string
		for _, p := range r.parked() {
			first, _, _ := strings.Cut(p.Reason, "\n")
			reasons = append(reasons, first)
		}
		slices.Sort(reasons)
		want := []string{`message: "orders": the body is no struct { N int }: invalid character 'o' in literal null (expecting 'u')`, "really: never", "the handler panicked: oh"}
		if !slices.Equal(reasons, want) {
			t.Errorf("parked for %q, want %q", reasons, want)
		}
	})
}

func TestWhatWasParkedIsTriedAgainWhenAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var d diary
		healed := false
		instance := func() *message.Bus {
			b := r.bus()
			b.One("orders", "g", func(_ context.Context, m message.Message) error {
				d.note("%s", m.ID)
				if !healed {
					return errors.New("not yet")
				}
				return nil
			}, message.Attempts(1))
			return b
		}
		stop := r.run(instance())
		r.publish(message.Message{ID: "a", Topic: "orders"}, message.Message{ID: "b", Topic: "orders"})
		synctest.Wait()
		parked := message.NewParked(r.store)
		for _, p := range r.parked() {
			if err := parked.Retry(t.Context(), p.Parked); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := r.parked(); len(got) != 2 || got[0].Attempts != 2 || got[0].Retrying {
			t.Fatalf("after two attempts that failed: %+v", got)
		}
		stop()
		healed = true
		for _, p := range r.parked() { // nobody is there now
			if err := parked.Retry(t.Context(), p.Parked); err != nil {
				t.Fatal(err)
			}
		}
		stop = r.run(instance())
		synctest.Wait()
		if got := r.parked(); len(got) != 0 {
			t.Errorf("still parked: %+v", got)
		}
		if got := d.read(); len(got) != 6 {
			t.Errorf("it went %q, want each three times", got)
		}
		if err := parked.Drop(t.Context(), "x"); !errors.Is(err, message.ErrNotParked) {
			t.Errorf("dropping what is not there: %v", err)
		}
		stop()
		if left := left(t, r.store, "message/retry"); len(left) > 0 {
			t.Errorf("left in the store: %q", left)
		}
	})
}

func left(t *testing.T, s store.Store, prefix string) (keys []string) {
	t.Helper()
	for e, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, e.Key)
	}
	return keys
}

func TestAMessageThatCannotBeParkedIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var d diary
		instance := func(s store.Store) *message.Bus {
			b := message.New(r.Broker, s, message.Log(slog.New(slog.DiscardHandler)))
			b.One("orders", "g", func(_ context.Context, m message.Message) error {
				d.note("%s", m.ID)
				return message.Permanent(errors.New("bad"))
			})
			return b
		}
		stop := r.run(instance(away{r.store}))
		r.publish(message.Message{ID: "a", Topic: "orders"})
		time.Sleep(time.Minute)
		synctest.Wait()
		d.want(t, "a") // the handler is not asked again: it is the parking that fails
		stop()
		defer r.run(instance(r.store))()
		synctest.Wait()
		d.want(t, "a", "a")
		if len(r.parked()) != 1 {
			t.Errorf("parked: %+v", r.parked())
		}
	})
}

// away is a store that nothing can be written to.
type away struct{ store.Store }

func (away) Put(context.Context, store.Write) (store.Revision, error) {
	return 0, errors.New("the store is away")
}

func TestADrainFinishesWhatIsBegunAndGivesBackTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var first, second diary
		instance := func(d *diary, took time.Duration) *message.Bus {
			b := r.bus()
			b.One("orders", "g", func(ctx context.Context, m message.Message) error {
				time.Sleep(took)
				d.note("%s", m.ID)
				return ctx.Err()
			}, message.Workers(2))
			return b
		}
		stop := r.run(instance(&first, 5*time.Second))
		for n := range 6 {
			r.publish(message.Message{ID: fmt.Sprint(n), Topic: "orders", Key: fmt.Sprint(n % 3)})
		}
		time.Sleep(time.Second)
		defer r.run(instance(&second, 0))()
		stop()
		synctest.Wait()
		got := first.read()
		slices.Sort(got)
		if !slices.Equal(got, []string{"0", "1"}) {
			t.Errorf("the drained instance finished %q, want 0 and 1, which it had begun", got)
		}
		rest := second.read()
		if slices.Index(rest, "2") > slices.Index(rest, "5") {
			t.Errorf("it went %q: 5 came before 2, which has the same key", rest)
		}
		slices.Sort(rest)
		if !slices.Equal(rest, []string{"2", "3", "4", "5"}) {
			t.Errorf("the other handled %q, want the four that are left", rest)
		}
	})
}

func TestAtTheDeadlineHandlersAreCalledOffAndItIsNoAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var d diary
		instance := func() *message.Bus {
			b := r.bus()
			b.One("orders", "g", func(ctx context.Context, m message.Message) error {
				d.note("attempt %d", m.Attempt)
				if len(d.read()) > 1 {
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			}, message.Attempts(1))
			return b
		}
		stop := r.run(instance())
		r.publish(message.Message{Topic: "orders"})
		synctest.Wait()
		stop()
		defer r.run(instance())()
		synctest.Wait()
		d.want(t, "attempt 1", "attempt 1")
		if len(r.parked()) > 0 {
			t.Errorf("parked: %+v", r.parked())
		}
	})
}

func TestWorkersHandleAsManyAtATimeButOneOfAKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var mu sync.Mutex
		now, most, ofKey := 0, 0, map[string]int{}
		b := r.bus()
		b.One("orders", "g", func(_ context.Context, m message.Message) error {
			mu.Lock()
			now++
			most = max(most, now)
			if ofKey[m.Key]++; ofKey[m.Key] > 1 && m.Key != "" {
				t.Errorf("two of %q at a time", m.Key)
			}
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			now--
			ofKey[m.Key]--
			return nil
		}, message.Workers(3))
		stop := r.run(b)
		for n := range 12 {
			r.publish(message.Message{Topic: "orders", Key: []string{"", "a", "b", "c"}[n%4]})
		}
		time.Sleep(time.Minute)
		stop()
		if most != 3 {
			t.Errorf("at most %d at a time, want 3", most)
		}
	})
}

func TestOnceHandlesWhatComesTwiceOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var d diary
		fail := true
		instance := func(name string) *message.Bus {
			b := r.bus()
			b.One("orders", "g", func(_ context.Context, m message.Message) error {
				d.note("%s begins", m.ID)
				time.Sleep(30 * time.Second) // three leases
				if m.ID == "b" && fail {
					fail = false
					return errors.New("once more")
				}
				d.note("%s done", m.ID)
				return nil
			}, message.Once(time.Hour))
			return b
		}
		stop, stop2 := r.run(instance("one")), r.run(instance("two"))
		for range 2 {
			r.publish(message.Message{ID: "a", Topic: "orders"})
		}
		time.Sleep(2 * time.Minute)
		r.publish(message.Message{ID: "a", Topic: "orders"}, message.Message{ID: "b", Topic: "orders"})
		time.Sleep(2 * time.Minute)
		stop()
		stop2()
		d.want(t, "a begins", "a done", "b begins", "b begins", "b done")
	})
}

func TestAllReachesEveryInstance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var d [3]diary
		for n := range d {
			b := r.bus()
			b.All("prices", func(_ context.Context, m message.Message) error { d[n].note("%s", m.ID); return nil })
			defer r.run(b)()
		}
		r.publish(message.Message{ID: "a", Topic: "prices"}, message.Message{ID: "b", Topic: "prices"})
		synctest.Wait()
		for n := range d {
			d[n].want(t, "a", "b")
		}
	})
}

func TestPublishWaitsForABrokerThatIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(5 * time.Second)
		b := message.New(&scripted{publish: func() error {
			if time.Now().Before(back) {
				return errors.New("connection refused")
			}
			return nil
		}}, nil)
		if err := b.Publish(t.Context(), message.Message{Topic: "t"}); err != nil {
			t.Errorf("a broker that was away for 5 s: %v", err)
		}
		back = time.Now().Add(time.Minute)
		err := b.Publish(t.Context(), message.Message{Topic: "t"})
		if err == nil || !strings.Contains(err.Error(), "10s") || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("a broker that was away for a minute: %v", err)
		}
		begun := time.Now()
		refusing := message.New(&scripted{publish: func() error { return fmt.Errorf("too large: %w", message.ErrRefused) }}, nil)
		if err := refusing.Publish(t.Context(), message.Message{Topic: "t"}); !errors.Is(err, message.ErrRefused) || time.Since(begun) > 0 {
			t.Errorf("a refusal: %v after %v", err, time.Since(begun))
		}
		for what, m := range map[string]message.Message{"no topic": {}, "a topic with a slash": {Topic: "a/b"}, "a large body": {Topic: "t", Body: make([]byte, message.MaxBody+1)}} {
			if err := b.Publish(t.Context(), m); !errors.Is(err, message.ErrRefused) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// scripted is a broker that does as it is told.
type scripted struct {
	message.Broker
	publish func() error
}

func (s *scripted) Publish(context.Context, ...message.Message) error { return s.publish() }

func TestAnOlderReleaseKeepsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	type old struct {
		N int `json:"n"`
	}
	var again message.Message
	h := message.On(func(_ context.Context, m message.Of[old]) error {
		m.Value.N++
		m.Topic = "next"
		var err error
		again, err = m.Encode()
		return err
	})
	if err := h(t.Context(), message.Message{ID: "a", Topic: "t", Body: []byte(`{"n":1,"colour":"red"}`)}); err != nil {
		t.Fatal(err)
	}
	if string(again.Body) != `{"colour":"red","n":2}` || again.Topic != "next" || again.ID != "a" {
		t.Errorf("published again as %+v", again)
	}
}

func TestWhatCannotBeHandledIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	h := func(context.Context, message.Message) error { return nil }
	for what, do := range map[string]func(b *message.Bus){
		"no group":         func(b *message.Bus) { b.One("t", "", h) },
		"a strange topic":  func(b *message.Bus) { b.All("a b", h) },
		"the same twice":   func(b *message.Bus) { b.One("t", "g", h); b.One("t", "g", h) },
		"all, but once":    func(b *message.Bus) { b.All("t", h, message.Once(time.Hour)) },
		"no workers":       func(b *message.Bus) { b.One("t", "g", h, message.Workers(0)) },
		"backoff backward": func(b *message.Bus) { b.One("t", "g", h, message.Backoff(2, 1)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", what)
				}
			}()
			do(message.New(&scripted{}, nil))
		}()
	}
}
