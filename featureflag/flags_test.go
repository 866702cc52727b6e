package featureflag_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store"
)

// patience is for a machine that is busy with other tests.
const patience = time.Minute

var quiet = featureflag.Log(slog.New(slog.NewTextHandler(io.Discard, nil)))

// running are Flags that run until the test ends.
func running(t *testing.T, s store.Store, options ...featureflag.Option) *featureflag.Flags {
	t.Helper()
	f := featureflag.New(s, append([]featureflag.Option{quiet}, options...)...)
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- f.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-over; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return f
}

// ready waits until the flags were read.
func ready(t *testing.T, f *featureflag.Flags) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, f.Ready(ctx))
}

// until waits until the flags in force are so.
func until(t *testing.T, f *featureflag.Flags, what string, is func() bool) {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		changed := f.Changed()
		if is() {
			return
		}
		select {
		case <-changed:
		case <-late.C:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

func becomes(t *testing.T, f *featureflag.Flags, key string, want bool) {
	t.Helper()
	until(t, f, fmt.Sprint(key, " becomes ", want), func() bool { return f.Bool(key, featureflag.For("u"), !want) == want })
}

func TestFlagsKeepUp(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		ctx, c := t.Context(), featureflag.NewControl(open(t), "ann@laptop")
		must(t, c.Set(ctx, "old", onOff("on"), ""))
		f := running(t, open(t))
		ready(t, f)
		if !f.Bool("old", featureflag.For("u"), false) {
			t.Error("what was there is not in force when it is ready")
		}
		if f.Bool("new", featureflag.For("u"), false) || !f.Bool("new", featureflag.For("u"), true) {
			t.Error("a flag that is not there is not the caller's default")
		}
		must(t, c.Set(ctx, "new", onOff("on"), ""))
		becomes(t, f, "new", true)
		must(t, c.Kill(ctx, "new", ""))
		becomes(t, f, "new", false)
		must(t, c.Restore(ctx, "new", ""))
		becomes(t, f, "new", true)
		level := featureflag.Normal
		must(t, c.Shed(ctx, &level, "no room"))
		becomes(t, f, "new", false)
		if _, shed := f.All(); shed == nil || shed.Level != "normal" || shed.Why != "no room" {
			t.Errorf("shed: %+v", shed)
		}
		must(t, c.Shed(ctx, nil, ""))
		becomes(t, f, "new", true)
		must(t, c.Remove(ctx, "new", ""))
		until(t, f, "removed", func() bool { return f.Bool("new", featureflag.For("u"), false) == false })
		if flags, shed := f.All(); shed != nil || len(flags) != 1 || flags[0].Key != "old" {
			t.Errorf("in the end there are %+v, %+v", flags, shed)
		}
	})
}

// Thirty flags that come at once are read; whether together or one by one does not matter.
func TestManyChangesAtOnce(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		f := running(t, open(t))
		ready(t, f)
		d := featureflag.Definitions{Flags: map[string]featureflag.Definition{}}
		for n := range 30 {
			d.Flags[fmt.Sprint("flag", n)] = onOff("on")
		}
		_, err := featureflag.NewControl(open(t), "").Apply(t.Context(), d, "")
		must(t, err)
		until(t, f, "all of them", func() bool { return len(f.Set().Keys()) == 30 })
	})
}

// The store is killed: what was in force stays, for those who run; a fresh process has the
// callers' defaults. It comes back, and so does everybody.
func TestAStoreThatIsKilledAndComesBack(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB, ...string) *servertest.Server{"redis": servertest.Redis, "postgres": servertest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			ctx, s := t.Context(), server.Open(t)
			c := featureflag.NewControl(s, "ann@laptop")
			must(t, c.Set(ctx, "f", onOff("on"), ""))
			f := running(t, server.Open(t))
			fresh := featureflag.New(server.Open(t), quiet)
			ready(t, f)
			becomes(t, f, "f", true)
			server.Kill(t)

			over, stop := make(chan error, 1), context.CancelFunc(nil)
			ctx, stop = context.WithCancel(ctx)
			go func() { over <- fresh.Run(ctx) }()
			short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if err := fresh.Ready(short); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("ready without a store: %v", err)
			}
			if !f.Bool("f", featureflag.For("u"), false) {
				t.Error("the last value is gone with the store")
			}
			if fresh.Bool("f", featureflag.For("u"), false) || !fresh.Bool("f", featureflag.For("u"), true) {
				t.Error("a fresh process has not the caller's default")
			}

			server.Start(t)
			for late := time.Now().Add(patience); c.Kill(t.Context(), "f", "") != nil; time.Sleep(10 * time.Millisecond) { // nobody tells that it is back
				if time.Now().After(late) {
					t.Fatalf("no change within %v of the store's being back", patience)
				}
			}
			becomes(t, f, "f", false)
			ready(t, fresh)
			until(t, fresh, "the fresh one has it", func() bool { return !fresh.Bool("f", featureflag.For("u"), true) })
			must(t, c.Restore(t.Context(), "f", ""))
			becomes(t, f, "f", true)
			becomes(t, fresh, "f", true)
			stop()
			must(t, <-over)
		})
	}
}

// A broken entry among good ones, and its end, as Flags have it.
func TestFlagsWithABrokenEntry(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	open := servertest.Memory()
	s := open()
	c := featureflag.NewControl(s, "ann@laptop")
	must(t, c.Set(t.Context(), "well", onOff("on"), ""))
	must(t, c.Set(t.Context(), "ill", onOff("on"), ""))
	f := running(t, open(), featureflag.Log(slog.New(slog.NewTextHandler(&log, nil))))
	ready(t, f)
	write(t, s, "flag/ill", "{")
	until(t, f, "the broken one is the caller's default", func() bool { return !f.Bool("ill", featureflag.For("u"), false) })
	becomes(t, f, "well", true)
	if got := log.String(); !strings.Contains(got, "flag=ill") || strings.Contains(got, "well") {
		t.Errorf("the log says %q", got)
	}
	must(t, c.Remove(t.Context(), "ill", ""))
	must(t, c.Set(t.Context(), "ill", onOff("on"), ""))
	becomes(t, f, "ill", true)
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A deaf store has watchers that are never told anything.
type deaf struct{ store.Store }

func (d deaf) Watch(ctx context.Context, prefix string) (store.Watcher, error) { return silent{}, nil }

type silent struct{}

func (silent) Close() error { return nil }

func (silent) Next(ctx context.Context) (store.Change, error) {
	<-ctx.Done()
	return store.Change{}, ctx.Err()
}

// A watcher that has fallen silent without knowing it costs time, not values.
func TestAWatcherThatIsSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Memory()()
		defer s.Close()
		c := featureflag.NewControl(s, "ann@laptop")
		must(t, c.Set(t.Context(), "f", onOff("on"), ""))
		f := running(t, deaf{s})
		ready(t, f)
		must(t, c.Kill(t.Context(), "f", ""))
		time.Sleep(30 * time.Second) // the bubble's
		if f.Bool("f", featureflag.For("u"), true) {
			t.Error("the kill is not seen after half a minute")
		}
		must(t, c.Set(t.Context(), "g", onOff("on"), ""))
		time.Sleep(10 * time.Minute)
		if !f.Bool("g", featureflag.For("u"), false) {
			t.Error("a new flag is not seen after ten minutes")
		}
	})
}

// A failing store fails some of its calls.
type failing struct {
	store.Store
	mu   sync.Mutex
	next []error
}

func (f *failing) fail() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.next) == 0 {
		return nil
	}
	err := f.next[0]
	f.next = f.next[1:]
	return err
}

func (f *failing) Watch(ctx context.Context, prefix string) (store.Watcher, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.Store.Watch(ctx, prefix)
}

func (f *failing) Get(ctx context.Context, key string) (store.Entry, error) {
	if err := f.fail(); err != nil {
		return store.Entry{}, err
	}
	return f.Store.Get(ctx, key)
}

func TestAStoreThatFailsNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Memory()()
		defer s.Close()
		away := errors.New("away")
		c := featureflag.NewControl(s, "ann@laptop")
		must(t, c.Set(t.Context(), "f", onOff("on"), ""))
		bad := &failing{Store: s, next: []error{away, nil, away, away, nil, nil}}
		f := running(t, bad)
		ready(t, f)
		becomes(t, f, "f", true)
		bad.mu.Lock()
		bad.next = []error{away, away, away}
		bad.mu.Unlock()
		must(t, c.Kill(t.Context(), "f", ""))
		becomes(t, f, "f", false)
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // it fails if a goroutine is left
		for _, s := range []store.Store{servertest.Memory()(), &failing{Store: servertest.Memory()(), next: []error{errors.New("away"), errors.New("away")}}} {
			ctx, stop := context.WithCancel(t.Context())
			f := featureflag.New(s, quiet)
			time.AfterFunc(time.Second/10, stop)
			if err := f.Run(ctx); err != nil {
				t.Errorf("run: %v", err)
			}
			must(t, s.Close())
		}
	})
}
