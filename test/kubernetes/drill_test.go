//go:build kubernetes

package kubernetes_test

import (
	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/test/harness"
)

// drills are clients on a node that share a rate.
type drills []*harness.Drill

// drill begins to send requests to the service, and returns when the first have
// been answered.
func (w *world) drill(clients int, rate float64, mix drill.Mix) drills {
	w.T.Helper()
	var ds drills
	for range clients {
		ds = append(ds, w.Drill("answering", rate/float64(clients), w.From("kn1"), func(p *drill.Plan) { p.Mix = mix }))
	}
	return ds
}

// until waits until so many requests have been answered or lost in all.
func (ds drills) until(n int64) {
	for _, d := range ds {
		d.More(max(0, n/int64(len(ds))-d.Snapshot().Sent))
	}
}

// result ends the drills. The sum of several has the numbers of requests, not
// those of their times.
func (ds drills) result() *drill.Result {
	all := ds[0].Result()
	for _, d := range ds[1:] {
		r := d.Result()
		all.Sent, all.OK, all.Lost, all.NotSent = all.Sent+r.Sent, all.OK+r.OK, all.Lost+r.Lost, all.NotSent+r.NotSent
		for class, n := range r.ByClass {
			all.ByClass[class] += n
		}
		all.Failures = append(all.Failures, r.Failures...)
	}
	return all
}
