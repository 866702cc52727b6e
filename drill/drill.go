package drill

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Drill is one drill: New, then Run, once. All its methods but Run may be
// called at any time by any goroutine.
type Drill struct {
	plan     Plan
	opts     options
	id       string
	targets  []*target
	dialer   *dialer
	pools    map[origin]*pool
	pools2   map[origin]*pool2
	recorder *recorder

	ran      atomic.Bool
	stopOnce sync.Once
	stopped  chan struct{}
	started  chan struct{} // closed once start is set
	start    time.Time
	inFlight atomic.Int64
	stale    atomic.Int64
	requests sync.WaitGroup // a goroutine for each request under way
	readers  sync.WaitGroup // one for each HTTP/2 connection
}

// Option changes how a drill is run, not what it sends.
type Option func(*options)

type options struct {
	progress func(Snapshot)
	every    time.Duration
	onStart  func(*Drill)
}

// Progress calls f with live numbers, every so often, and once at the end. f
// is called by one goroutine at a time; while it runs, no call is made up for.
func Progress(every time.Duration, f func(Snapshot)) Option {
	return func(o *options) { o.every, o.progress = max(every, 10*time.Millisecond), f }
}

// OnStart calls f before the first request, for those who use Run or Around
// and want to Mark or Stop.
func OnStart(f func(*Drill)) Option {
	return func(o *options) { o.onStart = f }
}

// New checks the plan and makes its requests ready; it opens no connection and
// starts no goroutine.
func New(p Plan, opts ...Option) (*Drill, error) {
	p, err := p.withDefaults()
	if err != nil {
		return nil, err
	}
	d := &Drill{plan: p, id: newID(), stopped: make(chan struct{}), started: make(chan struct{})}
	for _, o := range opts {
		o(&d.opts)
	}
	d.dialer = newDialer(p)
	d.pools, d.pools2 = map[origin]*pool{}, map[origin]*pool2{}
	for _, t := range p.Targets {
		ready, err := newTarget(p, t)
		if err != nil {
			return nil, err
		}
		d.targets = append(d.targets, ready)
		d.pools[ready.origin] = &pool{size: p.Connections, peeks: !p.SkipPeek, stale: &d.stale}
		d.pools2[ready.origin] = &pool2{}
	}
	d.recorder = newRecorder()
	return d, nil
}

func newID() string {
	var b [6]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Run holds a drill by itself: for the plan's Duration, or until ctx is done.
func Run(ctx context.Context, p Plan, opts ...Option) (*Result, error) {
	d, err := New(p, opts...)
	if err != nil {
		return nil, err
	}
	return d.Run(ctx)
}

// Run sends requests for the plan's Duration, until ctx is done, or until
// Stop, whichever is first. Requests then under way are seen to their end,
// which takes no longer than the plan's Timeout. That ctx is done is no error:
// the result holds what was measured until then. Run returns after all its
// goroutines have ended; it can be called once.
func (d *Drill) Run(ctx context.Context) (*Result, error) {
	if d.ran.Swap(true) {
		return nil, errors.New("drill: Run was called before; make a new Drill")
	}
	cpu := cpuTime()
	d.start = time.Now()
	close(d.started)
	if d.opts.onStart != nil {
		d.opts.onStart(d)
	}
	quit := make(chan struct{})
	var helpers sync.WaitGroup
	helpers.Go(func() { d.sweep(quit) })
	if d.opts.progress != nil {
		helpers.Go(func() { d.report(quit) })
	}
	d.pace(ctx)
	sent := d.since()
	d.requests.Wait()
	close(quit)
	helpers.Wait()
	d.hangUp()
	return d.result(sent, cpuTime()-cpu), nil
}

// Stop ends the sending; Run then returns. It may be called often.
func (d *Drill) Stop() { d.stopOnce.Do(func() { close(d.stopped) }) }

// Mark puts a named instant on the timeline: a step of a deploy.
func (d *Drill) Mark(label string) {
	d.recorder.mark(Mark{At: d.since(), Label: clean(label, 120)})
}

// Phase begins a named phase: requests due from now on are also told apart
// from those before. A drill without a call of Phase has none.
func (d *Drill) Phase(name string) {
	d.recorder.phase(clean(name, 40), d.since())
}

// since is the time since the start; 0 before it.
func (d *Drill) since() time.Duration {
	select {
	case <-d.started:
		return time.Since(d.start)
	default:
		return 0
	}
}

// deadline is when j is given up. The drill's own lateness is not held against
// the server.
func (d *Drill) deadline(j job) time.Time { return d.start.Add(j.due + j.late + d.plan.Timeout) }

func (d *Drill) hangUp() {
	for _, p := range d.pools {
		p.close()
	}
	for _, p := range d.pools2 {
		p.close()
	}
	d.readers.Wait()
}

// sweepEvery is how soon an idle connection that the server closed is closed
// on our side too.
const (
	sweepEvery  = 25 * time.Millisecond
	shrinkEvery = time.Second / sweepEvery // sweeps
)

func (d *Drill) sweep(quit <-chan struct{}) {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for n := time.Duration(1); ; n++ {
		select {
		case <-quit:
			return
		case <-t.C:
			for _, p := range d.pools {
				p.sweep()
				if n%shrinkEvery == 0 {
					p.shrink()
				}
			}
		}
	}
}

func (d *Drill) report(quit <-chan struct{}) {
	t := time.NewTicker(d.opts.every)
	defer t.Stop()
	for {
		select {
		case <-quit:
			d.opts.progress(d.Snapshot())
			return
		case <-t.C:
			d.opts.progress(d.Snapshot())
		}
	}
}

// do sends j and records what became of it.
func (d *Drill) do(j job) {
	defer d.requests.Done()
	j.late = max(d.since()-j.due, 0)
	j.id = d.id + "-" + strconv.FormatInt(j.n, 10)
	o, after := d.send(j)
	o.took = d.since() - j.due
	d.recorder.add(j, &o)
	d.inFlight.Add(-1)
	if after != nil {
		after()
	}
}

func (d *Drill) send(j job) (o outcome, after func()) {
	if j.late >= d.plan.Timeout {
		o.lose(NotSent, fmt.Errorf("the drill was %v late", j.late.Round(time.Millisecond)))
		return o, nil
	}
	switch j.mode {
	case Fresh:
		return d.fresh(j)
	case KeptAlive:
		return d.kept(j), nil
	default:
		return d.http2(j), nil
	}
}

// skip records a request for which there was no room.
func (d *Drill) skip(j job) {
	var o outcome
	o.lose(NotSent, fmt.Errorf("%d requests were in flight already (MaxInFlight)", d.plan.MaxInFlight))
	j.late = max(d.since()-j.due, 0)
	o.took = j.late
	d.recorder.add(j, &o)
}
