package message

import (
	"fmt"
	"log/slog"
	"time"
)

// A BusOption changes what New makes.
type BusOption func(*Bus)

// Named sets the name of the bus's component, for a service that has several:
// "messages" without it.
func Named(name string) BusOption { return func(b *Bus) { b.name = name } }

// Log sets where the bus tells what goes wrong: slog.Default() without it.
func Log(l *slog.Logger) BusOption { return func(b *Bus) { b.log = l } }

// PublishWithin bounds how long Publish waits for a broker that is away:
// DefaultPublishWithin without it. The context may end it sooner.
func PublishWithin(d time.Duration) BusOption { return func(b *Bus) { b.within = d } }

// DefaultPublishWithin is how long Publish waits for a broker that is away.
const DefaultPublishWithin = 10 * time.Second

// An Option changes how the messages of One or All are handled.
type Option func(*settings)

type settings struct {
	workers, window, attempts int
	first, longest            time.Duration // pauses between attempts
	once                      time.Duration // 0: not
	lease                     time.Duration // of a claim of Once
}

func defaults() settings {
	return settings{workers: 1, attempts: DefaultAttempts, first: 200 * time.Millisecond, longest: 30 * time.Second, lease: 10 * time.Second}
}

// Workers sets how many messages are handled at the same time; one without it.
// Messages with the same key are handled one after another all the same, and those
// without a key in no order if there are several workers.
func Workers(n int) Option {
	atLeast("Workers", n)
	return func(s *settings) { s.workers = n }
}

// Window sets how many messages are received and not yet acknowledged at most: at
// least as many as there are workers, and without it four times as many, or 16.
// What waits in it behind a slow handler cannot be handled elsewhere.
func Window(n int) Option {
	atLeast("Window", n)
	return func(s *settings) { s.window = n }
}

// DefaultAttempts is how often a message is tried before it is parked.
const DefaultAttempts = 5

// Attempts sets how often a message is tried before it is parked.
func Attempts(n int) Option {
	atLeast("Attempts", n)
	return func(s *settings) { s.attempts = n }
}

func atLeast(what string, n int) {
	if n < 1 {
		panic(fmt.Sprintf("message: %s(%d): it is 1 at least", what, n))
	}
}

// Backoff sets how long to wait after the first attempt, and at most: each pause is
// four times the one before. 200 ms and 30 s without it. Meanwhile others are
// handled, but for those of the same key.
func Backoff(first, longest time.Duration) Option {
	if first <= 0 || longest < first {
		panic(fmt.Sprintf("message: Backoff(%v, %v): a pause, and one that is not shorter", first, longest))
	}
	return func(s *settings) { s.first, s.longest = first, longest }
}

// Once keeps, for ttl, which messages the group has done, in the bus's store: one
// that comes again under the same ID is acknowledged and not handled, and one that
// is being handled elsewhere is waited for. ttl is how much later one may come
// again: a day is plenty for any broker.
//
// What it cannot know is whether a handler that was killed had done its work: then
// the message is handled once more, when the claim of the dead has ended (ten
// seconds). Where that does harm, note the message in the same transaction as the
// work: see package outbox.
func Once(ttl time.Duration) Option {
	if ttl < time.Second {
		panic(fmt.Sprintf("message: Once(%v): it is a second at least", ttl))
	}
	return func(s *settings) { s.once = ttl }
}
