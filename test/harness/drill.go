package harness

import (
	"context"
	"fmt"
	"strings"

	"github.com/seguehq/segue/drill"
)

// A Drill is traffic that is going on.
type Drill struct {
	w    *World
	d    *drill.Drill
	done chan struct{}
	r    *drill.Result
	err  error
}

// Drill begins to send requests at the given rate: half on fresh connections,
// half kept alive, unless change says otherwise. It returns when the first has
// been answered.
func (w *World) Drill(rate float64, change ...func(*drill.Plan)) *Drill {
	w.T.Helper()
	// Three times what the drill gives a request by itself: these machines stand still
	// for seconds at times, and a request that is late is not lost.
	p := drill.Plan{URL: w.URL(), Rate: rate, Timeout: 3 * drill.DefaultTimeout}
	for _, c := range change {
		c(&p)
	}
	d, err := drill.New(p)
	if err != nil {
		w.T.Fatal(err)
	}
	x := &Drill{w: w, d: d, done: make(chan struct{})}
	go func() {
		defer close(x.done)
		x.r, x.err = d.Run(context.Background())
	}()
	w.T.Cleanup(func() { d.Stop(); <-x.done })
	w.Until("the drill is answered", func() bool { return d.Snapshot().Sent > 0 })
	return x
}

// More waits until so many further requests have been answered or lost.
func (x *Drill) More(n int64) {
	x.w.T.Helper()
	from := x.d.Snapshot().Sent
	x.w.Until(fmt.Sprintf("%d more requests are sent", n), func() bool { return x.d.Snapshot().Sent >= from+n })
}

// Snapshot is the drill's live numbers.
func (x *Drill) Snapshot() drill.Snapshot { return x.d.Snapshot() }

// Result ends the drill.
func (x *Drill) Result() *drill.Result {
	x.w.T.Helper()
	x.d.Stop()
	<-x.done
	if x.err != nil {
		x.w.T.Fatal(x.err)
	}
	return x.r
}

// None ends the drill and fails the test when a request was lost.
func (x *Drill) None() *drill.Result {
	x.w.T.Helper()
	r := x.Result()
	x.w.T.Logf("%s", r.Verdict())
	if !r.Verdict().Pass {
		x.w.T.Errorf("%s\n%s\n%s", r.Verdict(), Explain(r, 10), x.w.agentLog())
	}
	return r
}

// Explain tells of the first lost requests.
func Explain(r *drill.Result, most int) string {
	var b strings.Builder
	for n, f := range r.Failures {
		if n == most {
			break
		}
		fmt.Fprintf(&b, "%+v\n", f)
	}
	return b.String()
}
