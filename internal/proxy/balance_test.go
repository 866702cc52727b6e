package proxy

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// A claim and an Apply never miss each other: from the moment an unrouted
// instance is seen with nothing in flight, nobody holds a claim on it.
func TestClaimIsNeverMissed(t *testing.T) {
	rounds := Rounds(3000, 1000)
	p := newProxy(Options{})
	var idle [10]atomic.Bool // by instance: seen unrouted and idle
	table := func(n int) Config {
		in := []Instance{{ID: fmt.Sprint(n), Addr: "x"}}
		for i := 2; i < 2+probes-1; i++ { // busy ones, so that choosing takes a while
			in = append(in, Instance{ID: fmt.Sprint(i), Addr: "x"})
		}
		return Config{Services: []Service{{Name: "s", Instances: in}}}
	}
	apply := func(n int) {
		if err := p.apply(table(n)); err != nil {
			t.Fatal(err)
		}
	}
	apply(0)
	for id, in := range p.table.Load().instances {
		if id > "1" {
			in.inflight.Add(1 << 20)
		}
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for !stop.Load() {
				in, _ := p.claim("s", nil)
				if in == nil {
					t.Error("nothing to claim")
					return
				}
				if idle[in.ID[0]-'0'].Load() {
					t.Errorf("instance %s was claimed after its drain", in.ID)
					stop.Store(true)
				}
				in.release()
			}
		})
	}
	for i := range rounds {
		if stop.Load() {
			break
		}
		old, next := i%2, (i+1)%2
		idle[next].Store(false)
		apply(next)
		for _, in := range p.find(fmt.Sprint(old)) {
			in.waitIdle(t.Context())
		}
		idle[old].Store(true)
	}
	stop.Store(true)
	wg.Wait()
}
