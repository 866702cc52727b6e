package drill

import (
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// timeline counts by the instant at which requests were due. It begins with
// buckets of 100 ms, and doubles their width whenever there are too many, so
// that a drill of any length fits in a few megabytes.
type timeline struct {
	width   time.Duration
	buckets []bucket
}

type bucket struct {
	Count
	releases []int64 // by index of names
	classes  map[Class]int64
	latency  *hdr.Histogram // of those that are OK; nil for none
	max      time.Duration
}

func (t *timeline) add(due time.Duration, o *outcome, release int) {
	for due/t.width >= maxTimelineBuckets {
		t.fold()
	}
	i := int(due / t.width)
	for len(t.buckets) <= i {
		t.buckets = append(t.buckets, bucket{})
	}
	t.buckets[i].add(o, release)
}

func (b *bucket) add(o *outcome, release int) {
	b.Count.add(o.class)
	if o.class != "" {
		b.lose(o.class, 1)
		return
	}
	b.answered(release, 1)
	if b.latency == nil {
		b.latency = hdr.New(1, maxTimelineLatency, timelineFigures)
	}
	b.latency.RecordValue(micros(o.took, maxTimelineLatency))
	b.max = max(b.max, o.took)
}

func (b *bucket) lose(c Class, n int64) {
	if b.classes == nil {
		b.classes = map[Class]int64{}
	}
	b.classes[c] += n
}

func (b *bucket) answered(release int, n int64) {
	for len(b.releases) <= release {
		b.releases = append(b.releases, 0)
	}
	b.releases[release] += n
}

func (t *timeline) fold() {
	half := make([]bucket, 0, maxTimelineBuckets)
	for i := 0; i < len(t.buckets); i += 2 {
		b := t.buckets[i]
		if i+1 < len(t.buckets) {
			b.merge(&t.buckets[i+1])
		}
		half = append(half, b)
	}
	t.width, t.buckets = t.width*2, half
}

func (b *bucket) merge(o *bucket) {
	b.Sent, b.OK, b.Lost, b.NotSent = b.Sent+o.Sent, b.OK+o.OK, b.Lost+o.Lost, b.NotSent+o.NotSent
	for c, n := range o.classes {
		b.lose(c, n)
	}
	for i, n := range o.releases {
		b.answered(i, n)
	}
	b.max = max(b.max, o.max)
	switch {
	case b.latency == nil:
		b.latency = o.latency
	case o.latency != nil:
		b.latency.Merge(o.latency)
	}
}

// moments are the buckets as they are told.
func (t *timeline) moments(releases []string) []Moment {
	list := make([]Moment, 0, len(t.buckets))
	for i := range t.buckets {
		b := &t.buckets[i]
		m := Moment{At: time.Duration(i) * t.width, Count: b.Count, ByClass: b.classes}
		m.Latency = quantiles(b.latency, b.max)
		for k, n := range b.releases {
			if n == 0 {
				continue
			}
			if m.ByRelease == nil {
				m.ByRelease = map[string]int64{}
			}
			m.ByRelease[releases[k]] = n
		}
		list = append(list, m)
	}
	return list
}

// last merges what was due in the last second before now, without the newest
// bucket, which is not full yet.
func (t *timeline) last(now time.Duration) (sum bucket, over time.Duration) {
	end := min(int(now/t.width), len(t.buckets))
	begin := max(end-max(int(time.Second/t.width), 1), 0)
	for i := begin; i < end; i++ {
		sum.merge2(&t.buckets[i])
	}
	return sum, time.Duration(end-begin) * t.width
}

// merge2 is merge for a bucket that must not share o's histogram.
func (b *bucket) merge2(o *bucket) {
	if b.latency == nil {
		b.latency = hdr.New(1, maxTimelineLatency, timelineFigures)
	}
	b.merge(o)
}
