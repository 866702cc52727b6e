package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/embedded"
	"github.com/seguehq/segue/store"
)

// settle is short: tests wait for it, three times.
const settle = 100 * time.Millisecond

// memory is an empty store, and what opens brokers over it.
func memory(t *testing.T) store.Store {
	t.Helper()
	s, err := servertest.Open(t.Context(), "memory:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func broker(t *testing.T, s store.Store, options ...embedded.Option) *embedded.Broker {
	t.Helper()
	b := embedded.New(s, append([]embedded.Option{embedded.Settle(settle)}, options...)...)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func subscribe(t *testing.T, b *embedded.Broker, group string) message.Receiver {
	t.Helper()
	r, err := b.Subscribe(t.Context(), message.Subscription{Topic: "t", Group: group, Window: 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return r
}

func publish(t *testing.T, b *embedded.Broker, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := b.Publish(t.Context(), message.Message{ID: fmt.Sprint(n), Topic: "t"}); err != nil {
			t.Fatal(err)
		}
	}
}

// handle receives and acknowledges n messages.
func handle(t *testing.T, r message.Receiver, n int) (ids []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	for len(ids) < n {
		d, err := r.Receive(ctx)
		if ctx.Err() != nil {
			t.Fatalf("received %q, want %d", ids, n)
		}
		if err != nil {
			continue // a store that fails on purpose
		}
		for _, d := range d {
			ids = append(ids, d.ID)
		}
		for err := r.Ack(ctx, d...); err != nil; err = r.Ack(ctx, d...) {
			if ctx.Err() != nil {
				t.Fatal(err)
			}
		}
	}
	return ids
}

func numbers(from, to int) (ids []string) {
	for n := from; n < to; n++ {
		ids = append(ids, fmt.Sprint(n))
	}
	return ids
}

// kept are the chunks in the store.
func kept(t *testing.T, s store.Store) (n int) {
	t.Helper()
	for e, err := range s.List(t.Context(), "message/log/t/") {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(e.Key, "/wake/") {
			n++
		}
	}
	return n
}

func TestWhatEveryGroupHasIsRemovedAndNothingElse(t *testing.T) {
	t.Parallel()
	s := memory(t)
	b := broker(t, s)
	fast, slow := subscribe(t, b, "fast"), subscribe(t, b, "slow")
	publish(t, b, 0, 50)
	handle(t, fast, 50)
	if got := handle(t, slow, 30); !slices.Equal(got, numbers(0, 30)) {
		t.Errorf("slow got %q", got)
	}
	servertest.Eventually(t, "what both have done is removed", func() bool { return kept(t, s) <= 20 })
	late := subscribe(t, broker(t, s), "late") // the log begins behind its first
	publish(t, broker(t, s), 50, 60)           // by one who has published nothing yet
	if got := handle(t, slow, 30); !slices.Equal(got, numbers(30, 60)) {
		t.Errorf("slow got %q, after some was removed", got)
	}
	if got := handle(t, late, 10); !slices.Equal(got, numbers(50, 60)) {
		t.Errorf("a group that came late got %q", got)
	}
	handle(t, fast, 10)
	servertest.Eventually(t, "everything is removed", func() bool { return kept(t, s) == 0 })
	publish(t, b, 60, 61)
	if got := handle(t, fast, 1); got[0] != "60" {
		t.Errorf("after everything was removed fast got %q", got)
	}
}

func TestATopicThatNobodyReadsKeepsNothing(t *testing.T) {
	t.Parallel()
	s := memory(t)
	b := broker(t, s)
	publish(t, b, 0, 20)
	servertest.Eventually(t, "everything is removed", func() bool { return kept(t, s) == 0 })
	r := subscribe(t, broker(t, s), "g")
	publish(t, b, 20, 22)
	if got := handle(t, r, 2); !slices.Equal(got, numbers(20, 22)) {
		t.Errorf("received %q", got)
	}
}

func TestASubscriptionToAllKeepsWhatItHasNotRead(t *testing.T) {
	t.Parallel()
	s := memory(t)
	b := broker(t, s)
	r := subscribe(t, b, "")
	publish(t, b, 0, 40)
	time.Sleep(5 * settle) // rounds go by
	if got := handle(t, r, 40); !slices.Equal(got, numbers(0, 40)) {
		t.Errorf("received %q", got)
	}
	servertest.Eventually(t, "everything is removed", func() bool { return kept(t, s) == 0 })
}

func TestAGroupThatNobodyIsInIsForgotten(t *testing.T) {
	t.Parallel()
	s := memory(t)
	b := broker(t, s, embedded.KeepShortly(200*time.Millisecond))
	r, err := b.Subscribe(t.Context(), message.Subscription{Topic: "t", Group: "g", Window: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	publish(t, b, 0, 10)
	servertest.Eventually(t, "what it has not got is removed", func() bool { return kept(t, s) == 0 })
	again := subscribe(t, b, "g")
	publish(t, b, 10, 11)
	if got := handle(t, again, 1); got[0] != "10" {
		t.Errorf("received %q", got)
	}
}

// A gate is a store that can be made to hold its writes back, as if its process had
// been suspended.
type gate struct {
	store.Store
	mu   sync.Mutex
	shut chan struct{} // closed when writes may go on; nil: they do
	held chan struct{} // told of each that is held back
}

func (g *gate) close() (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut, g.held = make(chan struct{}), make(chan struct{}, 100)
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		close(g.shut)
		g.shut = nil
	}
}

func (g *gate) Put(ctx context.Context, w store.Write) (store.Revision, error) {
	g.mu.Lock()
	shut, held := g.shut, g.held
	g.mu.Unlock()
	if shut != nil {
		held <- struct{}{}
		<-shut
		ctx = context.WithoutCancel(ctx) // it was on its way already
	}
	return g.Store.Put(ctx, w)
}

func TestAPublisherThatWasSuspendedWritesWhereItIsRead(t *testing.T) {
	t.Parallel()
	s := memory(t)
	g := &gate{Store: s}
	suspended, other := broker(t, g), broker(t, s)
	r := subscribe(t, other, "g")
	publish(t, suspended, 0, 1)
	open := g.close()
	done := make(chan error, 1)
	go func() { done <- suspended.Publish(t.Context(), message.Message{ID: "late", Topic: "t"}) }()
	<-g.held // of the message, or of the cleaner: then the message's is next
	publish(t, other, 1, 20)
	handle(t, r, 20)
	servertest.Eventually(t, "the place that it wants to write to is removed", func() bool { return kept(t, s) == 0 })
	open()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := handle(t, r, 1); got[0] != "late" {
		t.Errorf("received %q", got)
	}
}

func TestWhatAMemberHadThatWasSuspendedIsHandledByOthersAndItsAckIsHeard(t *testing.T) {
	t.Parallel()
	s := memory(t)
	g := &gate{Store: s}
	suspended, other := subscribe(t, broker(t, g, embedded.Lease(embedded.MinLease)), "g"), subscribe(t, broker(t, s, embedded.Lease(embedded.MinLease)), "g")
	publish(t, broker(t, s), 0, 3)
	had, err := suspended.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	open := sync.OnceFunc(g.close())
	defer open()
	again := handle(t, other, 3)
	slices.Sort(again)
	if !slices.Equal(slices.Compact(again), numbers(0, 3)) {
		t.Errorf("another got %q", again)
	}
	open()
	if err := suspended.Ack(t.Context(), had...); err != nil {
		t.Errorf("acknowledged too late: %v", err)
	}
}

// A moody store does what it is told and says that it has failed, or fails.
type moody struct{ store.Store }

var errMood = errors.New("the connection broke")

func (m moody) Put(ctx context.Context, w store.Write) (store.Revision, error) {
	switch rand.IntN(6) {
	case 0:
		return 0, errMood
	case 1:
		_, err := m.Store.Put(ctx, w)
		return 0, errors.Join(errMood, err)
	}
	return m.Store.Put(ctx, w)
}

func (m moody) Get(ctx context.Context, key string) (store.Entry, error) {
	if rand.IntN(10) == 0 {
		return store.Entry{}, errMood
	}
	return m.Store.Get(ctx, key)
}

// TestAnAnswerThatIsLostMakesNothingComeTwice has every sixth write happen and be
// reported as failed.
func TestAnAnswerThatIsLostMakesNothingComeTwice(t *testing.T) {
	t.Parallel()
	s := memory(t)
	var members []message.Receiver
	for len(members) < 2 {
		b := broker(t, moody{s}, embedded.Settle(time.Minute))
		r, err := b.Subscribe(t.Context(), message.Subscription{Topic: "t", Group: "g", Window: 5})
		if err == nil { // it is not asked again by itself
			members = append(members, r)
		}
	}
	var publishing sync.WaitGroup
	for p := range 2 {
		b := broker(t, moody{s}, embedded.Settle(time.Minute))
		publishing.Go(func() {
			for n := range 50 {
				if err := b.Publish(t.Context(), message.Message{ID: fmt.Sprint(p*50 + n), Topic: "t"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	got, all := make(chan string, 200), []string{}
	ctx, cancel := context.WithCancel(t.Context())
	var receiving sync.WaitGroup
	for _, r := range members {
		receiving.Go(func() {
			for ctx.Err() == nil {
				d, _ := r.Receive(ctx) // it fails every now and then
				for _, d := range d {
					got <- d.ID
				}
				for len(d) > 0 && r.Ack(t.Context(), d...) != nil {
				}
			}
		})
	}
	publishing.Wait()
	for len(all) < 100 {
		select {
		case id := <-got:
			all = append(all, id)
		case <-time.After(servertest.Patience):
			t.Fatalf("%d messages came, want 100", len(all))
		}
	}
	cancel()
	receiving.Wait()
	for _, r := range members {
		_ = r.Close(t.Context()) // if it fails, the group learns of it by the lease
	}
	close(got)
	for id := range got {
		all = append(all, id)
	}
	slices.Sort(all)
	if distinct := slices.Compact(slices.Clone(all)); len(distinct) != 100 || len(all) != 100 {
		t.Errorf("%d messages came, %d of them different; want 100", len(all), len(distinct))
	}
}
