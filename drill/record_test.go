package drill

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestRotorKeepsShares: after any number of picks each has its share, give or
// take one.
func TestRotorKeepsShares(t *testing.T) {
	weights := []float64{5, 0, 3, 0.5}
	r := newRotor(weights)
	var got [4]float64
	for n := 1.0; n <= 1000; n++ {
		got[r.next()]++
		for i, w := range weights {
			if share := n * w / 8.5; got[i] < share-1 || got[i] > share+1 {
				t.Fatalf("after %v picks %d had %v, its share is %v", n, i, got[i], share)
			}
		}
	}
}

// TestTimelineFolds: a long drill keeps all counts in a bounded timeline.
func TestTimelineFolds(t *testing.T) {
	l := timeline{width: finestTimelineWidth}
	for i := range 10_000 {
		o := outcome{took: time.Duration(i%10+1) * time.Millisecond}
		if i%100 == 0 {
			o.class = Refused
		}
		l.add(time.Duration(i)*time.Second, &o, 0)
	}
	var sum bucket
	for i := range l.buckets {
		sum.merge2(&l.buckets[i])
	}
	if len(l.buckets) > maxTimelineBuckets || sum.Sent != 10_000 || sum.classes[Refused] != 100 || sum.releases[0] != 9_900 || sum.latency.TotalCount() != 9_900 {
		t.Errorf("%d buckets of %v: %+v", len(l.buckets), l.width, sum.Count)
	}
	if sum.max != 10*time.Millisecond {
		t.Errorf("max %v", sum.max)
	}
}

// TestMemoryIsBounded: neither many releases nor many failures fill it, and
// all of them are counted.
func TestMemoryIsBounded(t *testing.T) {
	d, err := New(Plan{URL: "http://h/"})
	if err != nil {
		t.Fatal(err)
	}
	d.start = time.Now()
	const n = 30_000
	for i := range n {
		o := outcome{release: fmt.Sprint(i)}
		if i%2 == 0 {
			o.lose(classes[i%len(classes)], text("x"))
		}
		d.recorder.add(job{n: int64(i), phase: -1, target: d.targets[0], mode: Fresh}, &o)
		d.Mark("m")
		d.Phase("p")
	}
	r := d.result(time.Second, 0)
	checkSums(t, r)
	if len(r.Releases) != maxReleases || r.OK != n/2 || len(r.Failures) > maxFailures || r.FailuresCut == 0 || len(r.Marks) != maxMarks || len(r.Phases) != maxPhases {
		t.Errorf("%d releases, %d failures, %d cut", len(r.Releases), len(r.Failures), r.FailuresCut)
	}
}

// TestEveryClassIsExplained, and named.
func TestEveryClassIsExplained(t *testing.T) {
	for _, c := range classes {
		if explain(&Failure{Class: c}) == "" || classWords[c] == "" {
			t.Errorf("%s is not", c)
		}
	}
}

// TestShedIsExplained: what was turned away on purpose is told apart from a service
// without an instance.
func TestShedIsExplained(t *testing.T) {
	why := explain(&Failure{Class: Unavailable, RetryAfter: "3", SegueError: "shed"})
	if !strings.Contains(why, "on purpose") || why == explain(&Failure{Class: Unavailable, RetryAfter: "3"}) {
		t.Error(why)
	}
}

func BenchmarkRecord(b *testing.B) {
	d, err := New(Plan{URL: "http://h/"})
	if err != nil {
		b.Fatal(err)
	}
	o := outcome{release: "7", took: time.Millisecond}
	for i := 0; b.Loop(); i++ {
		d.recorder.add(job{due: time.Duration(i) * time.Microsecond, phase: -1, mode: Fresh}, &o)
	}
}
