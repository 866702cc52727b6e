package cache

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/seguehq/segue/store"
)

// A Level says where entries are kept.
type Level int

const (
	// Both keeps them in the store, for the fleet, and copies of them in process.
	Both Level = iota
	// Memory keeps them in process alone: for what is cold, what never changes, and
	// what cannot be encoded. Each instance loads by itself; Invalidate still
	// reaches all of them.
	Memory
	// Remote keeps them in the store alone: for what is large, and for what must be
	// gone everywhere when Invalidate returns.
	Remote
)

// Options of a cache. The zero value is fine to begin with.
type Options struct {
	// TTL is how long an entry is fresh; 0 means 5 minutes.
	TTL time.Duration
	// Jitter takes up to this part of the TTL off each entry's, at random, so that
	// what was loaded together does not expire together. 0 means 0.1; negative
	// means none.
	Jitter float64
	// Stale is how long after its TTL an entry is still answered with, while a new
	// value is loaded behind the caller's back (stale-while-revalidate, RFC 5861).
	Stale time.Duration
	// StaleIfError is how long after its TTL an entry is answered with if loading
	// a new value fails (stale-if-error, RFC 5861).
	StaleIfError time.Duration
	// NegativeTTL is how long it is remembered that there is no such thing: that
	// the loader returned an error which is ErrNotFound. 0 means not at all.
	NegativeTTL time.Duration

	// Level is where entries are kept; LevelOf, if there is one, says it for each
	// key. It has to say the same for a key each time.
	Level   Level
	LevelOf func(key string) Level
	// MemoryTTL is how long a copy in process serves without a look at the store,
	// if that is less than its TTL. It is the time that an instance which is cut
	// off from the store can lag behind an Invalidate. 0 means the TTL.
	MemoryTTL time.Duration

	// MaxEntries is how many entries are kept in process; 0 means 10,000. MaxBytes
	// bounds them by their size instead: that of their encoding, or what their
	// method Size() int says. Seldom used ones go first.
	MaxEntries int
	MaxBytes   int64
	// MaxValue bounds one value, by the bytes of its encoding. What is larger is
	// handed to the caller and not kept, which is logged. 0 means 1 MiB; 15 MiB is
	// the most. For a Stream it bounds the whole of it: 0 means 64 MiB.
	MaxValue int64
	// CompressOver is the size in bytes from which on values are compressed for
	// the store, with Zstandard. 0 means 4 KiB; negative means never.
	CompressOver int

	// Codec writes values for the store; nil means JSON.
	Codec Codec
	// Version sets entries apart from those of releases that have another, like a
	// change of the type does: for when the shape of a value stays and its meaning
	// does not.
	Version string

	// Wait is how long a Get waits for another instance that is loading the same,
	// before it loads by itself; 0 means 10 seconds.
	Wait time.Duration
	// Claim is how long an instance that was killed while it was loading keeps
	// others waiting; 0 means 3 seconds. One that lives renews its claim.
	Claim time.Duration
	// StoreTimeout bounds each question to the store; 0 means 1 second.
	StoreTimeout time.Duration
	// Strict makes Get fail while the store is away. Otherwise it loads, and Stats
	// counts that as Bypassed.
	Strict bool

	// Log is told when the store goes away and comes back, of values refused, and
	// of loads that failed behind the caller's back; nil means slog.Default().
	Log *slog.Logger
}

// Bounds.
const (
	maxName     = 64                     // bytes of a cache's name
	maxEncoded  = store.MaxValue - 1<<20 // of one value, with room for a record's head
	maxStream   = 64 << 20
	noticeTTL   = time.Minute // how long an invalidation is in the store; watchers are told at once
	retryAfter  = time.Second // after a refresh that failed, or a store that did not answer
	lookAgain   = time.Minute // what other instances have said to all is read again at least so often
	skew        = time.Hour   // by which clocks of machines may differ without harm
	chunkGrace  = 10 * time.Minute
	chunkSize   = 1 << 20
	parallelism = 16
)

// withDefaults says what is meant by zero.
func (o Options) withDefaults() Options {
	or := func(d *time.Duration, usual time.Duration) {
		if *d == 0 {
			*d = usual
		}
	}
	or(&o.TTL, 5*time.Minute)
	or(&o.MemoryTTL, o.TTL)
	or(&o.Wait, 10*time.Second)
	or(&o.Claim, 3*time.Second)
	or(&o.StoreTimeout, time.Second)
	if o.Jitter == 0 {
		o.Jitter = 0.1
	}
	o.Jitter = max(o.Jitter, 0)
	if o.MaxEntries == 0 {
		o.MaxEntries = 10_000
	}
	if o.MaxValue == 0 {
		o.MaxValue = 1 << 20
	}
	if o.CompressOver == 0 {
		o.CompressOver = 4 << 10
	}
	if o.Codec == nil {
		o.Codec = JSON
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// check reports what cannot be meant.
func (o Options) check() error {
	for name, d := range map[string]time.Duration{"TTL": o.TTL, "Stale": o.Stale, "StaleIfError": o.StaleIfError, "NegativeTTL": o.NegativeTTL,
		"MemoryTTL": o.MemoryTTL, "Wait": o.Wait, "Claim": o.Claim, "StoreTimeout": o.StoreTimeout} {
		if d < 0 || d > 0 && d < time.Millisecond {
			return fmt.Errorf("%s is %v; it is 0 or a millisecond at least", name, d)
		}
	}
	switch {
	case o.Jitter >= 1:
		return fmt.Errorf("jitter is %v; it is a part of the TTL, below 1", o.Jitter)
	case o.Level < Both || o.Level > Remote:
		return fmt.Errorf("level %d is none", o.Level)
	case o.MaxEntries < 0 || o.MaxBytes < 0 || o.MaxValue < 0:
		return errors.New("MaxEntries, MaxBytes and MaxValue cannot be negative")
	case o.MaxEntries > 0 && o.MaxBytes > 0:
		return errors.New("MaxEntries and MaxBytes are both set; take one")
	}
	return nil
}

// life is how long an entry is of any use.
func (o Options) life() time.Duration { return o.TTL + max(o.Stale, o.StaleIfError) }

// checkName keeps caches with different names apart in the store.
func checkName(name string) error {
	if name == "" || len(name) > maxName || strings.ContainsAny(name, "/\x00") || store.CheckKey(name) != nil {
		return fmt.Errorf("cache: the name %q; it has 1 to %d bytes of UTF-8, and no slash", name, maxName)
	}
	return nil
}
