package cache

import (
	"math/rand/v2"
	"sync/atomic"
)

// Stats are counts since the cache was made, of this instance.
type Stats struct {
	Hits          int64 // answered in process
	RemoteHits    int64 // answered by the store
	Loads         int64 // calls of loaders
	LoadErrors    int64 // of which failed; that there is no such thing is not counted
	Stale         int64 // answered after the TTL, for either reason
	Waits         int64 // Gets that waited for another instance's load
	TimedOut      int64 // of which loaded by themselves in the end
	Overtaken     int64 // loads that an Invalidate overtook: answered with and not kept
	Refused       int64 // values that were too large to be kept
	Bypassed      int64 // loads that were made because the store was away
	StoreErrors   int64 // questions to the store that failed
	Invalidations int64 // keys that were dropped in process, by whomever; Missed and InvalidateAll count as one
	Entries       int64 // kept in process now
	Bytes         int64 // their size now, if MaxBytes is set
}

type counters struct {
	hits                                                         [8]padded // each CPU hits its own, more or less
	remote, loads, loadErrors, stale, waits, timedOut, overtaken atomic.Int64
	refused, bypassed, storeErrors, invalidations                atomic.Int64
}

// padded has a cache line for itself.
type padded struct {
	atomic.Int64
	_ [56]byte
}

// hit is cheaper than one counter that all CPUs want.
func (c *counters) hit() { c.hits[rand.Uint32()%uint32(len(c.hits))].Add(1) }

// Stats counts what the cache did. It may be called at any time.
func (c *Cache[V]) Stats() Stats {
	n := &c.counts
	s := Stats{
		RemoteHits: n.remote.Load(), Loads: n.loads.Load(), LoadErrors: n.loadErrors.Load(), Stale: n.stale.Load(),
		Waits: n.waits.Load(), TimedOut: n.timedOut.Load(), Overtaken: n.overtaken.Load(), Refused: n.refused.Load(),
		Bypassed: n.bypassed.Load(), StoreErrors: n.storeErrors.Load(), Invalidations: n.invalidations.Load(),
		Entries: int64(c.near.items.EstimatedSize()),
	}
	for i := range n.hits {
		s.Hits += n.hits[i].Load()
	}
	if c.o.MaxBytes > 0 {
		s.Bytes = int64(c.near.items.WeightedSize())
	}
	return s
}
