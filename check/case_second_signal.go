package check

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

func secondSignal() Case {
	return Case{
		Name:  "second-signal",
		Title: "The same signal again, while a request is in flight, changes nothing: many ways of stopping send it twice.",
		Rests: "npm forwards what the terminal has sent already; tini -g and dumb-init signal the group; systemd.kill(5), SendSIGHUP=",
		needs: all(needsLocal, needsSlow),
		run:   runSecondSignal,
	}
}

const outcomeHurried Outcome = "hurried" // by the second signal

// again is how long after the first signal's delivery the second one is sent.
// Two that come at once may be one to the program: runtimes keep a bit for each.
const again = 150 * time.Millisecond

func runSecondSignal(ctx context.Context, p *place) (Result, error) {
	c, err := p.askedSlowly(ctx)
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	if err := p.awaitSignalAsked(); err != nil {
		return Result{}, err
	}
	p.awaitDelivery(ctx)
	if e, over := c.hungUp(time.Now().Add(again)); over || e != timeout {
		return Result{}, errors.New("the first signal has ended the request already")
	}
	second := time.Now()
	if err := p.signal(p.target.signal()); err != nil {
		return Result{}, fmt.Errorf("the first signal has ended %s already", p.stance.first)
	}
	a := c.answer(p.patience())
	c.Close()
	if !p.right(a) {
		return p.judgeHurried(a, second)
	}
	if err := p.awaitGone(ctx); err != nil {
		if ctx.Err() != nil {
			return Result{}, err
		}
		return fail(outcomeNeverExits, "the request was answered, and the server still running %v after the first signal", p.target.grace())
	}
	after := Duration(a.at.Sub(second))
	if p.proc.exit.At.Before(a.at.Add(-outlived)) {
		return warn(outcomeHurried, "the second signal ended %s, the first process, before the request was answered %v after it: a container is over then, and everything in it killed", p.stance.first, after)
	}
	return pass(outcomeAnswered, "the request was answered %v after the second signal", after)
}

// outlived is by how much an answer must come later than the first process's
// end to be certain to have been given after it.
const outlived = 100 * time.Millisecond

// awaitDelivery returns once the first signal has been delivered. Until then a
// second one would be the same (signal(7): standard signals do not queue).
func (s *Stage) awaitDelivery(ctx context.Context) {
	for ctx.Err() == nil {
		d, err := readDisposition(s.proc.pid)
		if err != nil || !has(d.pending, s.target.signal()) {
			return
		}
		select {
		case <-s.graceOver: // it is blocked, and nobody fetches it
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *Stage) judgeHurried(a answer, second time.Time) (Result, error) {
	after := Duration(a.at.Sub(second))
	if a.ending == timeout {
		return fail(outcomeStarved, "the request was not answered within %v of the second signal", after)
	}
	what := string(a.ending)
	if a.ending == whole {
		what = fmt.Sprintf("answered %d", a.status)
	}
	r, err := warn(outcomeHurried, "the second signal ended the request: %s, %v after it", what, after)
	if s.target.signal() == syscall.SIGINT {
		r.Observed += "; that is what people expect of a second Ctrl-C"
	}
	return r, err
}
