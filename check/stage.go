package check

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A Stage is one life of the server: it is started, the cases that share it
// bring their clients into position, it gets the stop signal once all of them
// have, and each goes on by itself.
type Stage struct {
	*server
	survey *Survey

	prepared   sync.WaitGroup // one for each case that still does what takes its time
	last       chan struct{}  // closed once all have prepared
	inPosition sync.WaitGroup // one for each case that has not yet come to awaitSignal
	signalled  chan struct{}  // closed once the signal was sent; then at is set
	at         time.Time
	stance     stance        // before the signal, of a server whose processes can be seen
	failed     error         // the signal could not be sent
	graceOver  chan struct{} // closed when the grace is over
	cancelled  context.Context
}

// A place is a case's place on its stage.
type place struct {
	*Stage
	prepare, arrive func()    // idempotent: the case has prepared, or is in position, or will never be
	asked           time.Time // when the slow request was sent, if the case has one
}

// errNoSignal ends a case whose server was not stopped.
var errNoSignal = fmt.Errorf("the stop signal was not sent")

// awaitOthers returns when every other case of the stage has done what takes its
// time. What would not last until the signal, such as a slow request, is begun
// after it.
func (p *place) awaitOthers() error {
	p.prepare()
	select {
	case <-p.last:
		return nil
	case <-p.cancelled.Done():
		return errNoSignal
	}
}

// awaitSignal says that the case's clients are in position, and returns when the
// server has been told to stop.
func (p *place) awaitSignal() error {
	p.prepare()
	p.arrive()
	select {
	case <-p.signalled:
		return p.failed
	case <-p.cancelled.Done():
		return errNoSignal
	}
}

// since is the time from the signal to t.
func (s *Stage) since(t time.Time) time.Duration { return t.Sub(s.at) }

// slack is by how much later than at the signal may come. A server elsewhere is
// stopped by a command that was begun then, and nobody tells when it has done
// its work; clients that were to go on soon after the signal wait for it.
func (s *Stage) slack() time.Duration {
	if s.target.local() {
		return 0
	}
	return commandTakes
}

// commandTakes is long for a container's engine, and usual for a cluster.
const commandTakes = time.Second

// patience is how long a client waits for what it has asked for: once the server
// was told to stop, to the end of the grace.
func (s *Stage) patience() time.Time {
	select {
	case <-s.signalled:
		return s.at.Add(s.target.grace())
	default:
		return time.Now().Add(s.target.grace() + 2*time.Second)
	}
}

func (s *Stage) dial(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithDeadline(ctx, s.patience())
	defer cancel()
	return dial(ctx, s.server, "http/1.1")
}

// ask sends a request on a connection of its own. One that was never opened is an
// error; all else is the answer, or what came in its place.
func (s *Stage) ask(ctx context.Context, path string) (answer, error) {
	c, err := s.dial(ctx)
	if neverOpened(err) {
		return answer{}, err
	}
	if err != nil {
		return answer{ending: endingOf(err, false), at: time.Now()}, nil
	}
	defer c.Close()
	return c.exchange(path, s.patience()), nil
}

// used opens a connection and has one request answered on it: from then on it
// is persistent, and known to be.
func (s *Stage) used(ctx context.Context) (*conn, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	err = c.get(s.path())
	if err == nil {
		if a := c.answer(s.patience()); a.ending != whole || a.close {
			err = fmt.Errorf("the first request was not answered so that the connection stays open: %s", a.ending)
		}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (s *Stage) path() string { return s.base.RequestURI() }

// right reports whether an answer is what the server says on an ordinary day.
func (s *Stage) right(a answer) bool {
	return a.ending == whole && (a.status == s.survey.Status || a.status/100 == 2)
}

// run plays the stage: position, signal, exit. It returns when all cases have.
func (s *Stage) run(ctx context.Context, cases []Case, done func(Case, Result)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.last, s.signalled, s.graceOver, s.cancelled = make(chan struct{}), make(chan struct{}), make(chan struct{}), ctx
	s.prepared.Add(len(cases))
	s.inPosition.Add(len(cases))
	var running sync.WaitGroup
	for _, c := range cases {
		p := &place{Stage: s, prepare: sync.OnceFunc(s.prepared.Done), arrive: sync.OnceFunc(s.inPosition.Done)}
		running.Go(func() {
			defer p.arrive()
			defer p.prepare()
			done(c, c.play(ctx, p))
		})
	}
	s.prepared.Wait()
	if s.proc != nil { // now, as slow requests do not wait for it
		s.stance = stanceOf(s.proc, s.target.signal(), portOf(s.base))
	}
	close(s.last)
	s.inPosition.Wait()
	s.at = time.Now()
	over, err := s.stop(ctx)
	s.failed = err
	close(s.signalled)
	stopped := make(chan error, 1)
	if err == nil {
		go func() {
			err := over()
			if err != nil {
				cancel() // what follows would be no stop
			}
			stopped <- err
		}()
	}
	grace := time.AfterFunc(s.target.grace(), func() { close(s.graceOver) })
	defer grace.Stop()
	finished := make(chan struct{})
	go func() { running.Wait(); close(finished) }()
	s.limit(ctx, finished)
	s.end()
	<-finished
	if s.failed == nil {
		s.failed = <-stopped
	}
}

// afterGrace is how long a server may take, once its clients have gone at the
// end of the grace, until it counts as one that never ends.
const afterGrace = 1500 * time.Millisecond

// limit waits for the cases, and kills the server that has outlasted its grace.
func (s *Stage) limit(ctx context.Context, finished <-chan struct{}) {
	select {
	case <-finished:
		return
	case <-ctx.Done():
		return
	case <-s.graceOver:
	}
	timer := time.NewTimer(afterGrace)
	defer timer.Stop()
	select {
	case <-finished:
	case <-timer.C:
	case <-ctx.Done():
	}
}
