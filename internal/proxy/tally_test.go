package proxy

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"
)

// Every time falls between the bounds of its bucket, and buckets are narrow.
func TestBuckets(t *testing.T) {
	bounds := Bounds()
	if bounds[0] != 65536 || bounds[len(bounds)-1] != 1<<37 {
		t.Errorf("bounds from %v to %v", bounds[0], bounds[len(bounds)-1])
	}
	for i, b := range bounds {
		if got := bucket(int64(b) - 1); got != i {
			t.Errorf("just below %v: bucket %d, want %d", b, got, i)
		}
		if got := bucket(int64(b)); got != i+1 {
			t.Errorf("%v: bucket %d, want %d", b, got, i+1)
		}
		if i > 0 && (b <= bounds[i-1] || float64(b) > 1.25*float64(bounds[i-1])) {
			t.Errorf("bound %v follows %v", b, bounds[i-1])
		}
	}
	for took, want := range map[time.Duration]int{-1: 0, 0: 0, time.Hour: Buckets - 1} {
		if got := bucket(int64(took)); got != want {
			t.Errorf("%v: bucket %d, want %d", took, got, want)
		}
	}
}

// What counting an answer costs: some nanoseconds of the microseconds that a
// request takes.
func BenchmarkCount(b *testing.B) {
	var c tally
	took := int64(1)
	for b.Loop() {
		c.answered(200, 1, took)
		took = took*5%(1<<38) + 1
	}
}

// What one look at the counts costs, of a service whose last twenty releases are
// still known.
func BenchmarkStatus(b *testing.B) {
	p := newProxy(Options{})
	s := Service{Name: "web"}
	for n := range releasesKept {
		s.Instances = append(s.Instances, Instance{ID: strconv.Itoa(n), Addr: "x", Release: strconv.Itoa(n)})
	}
	if err := p.apply(Config{Services: []Service{s}}); err != nil {
		b.Fatal(err)
	}
	for _, in := range p.table.Load().instances {
		in.stats.users.answered(200, 1, 2)
	}
	for b.Loop() {
		if _, err := json.Marshal(p.status()); err != nil {
			b.Fatal(err)
		}
	}
}
