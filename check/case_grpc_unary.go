package check

import (
	"context"
	"fmt"
	"sync"
	"time"
)

func grpcUnary() Case {
	return Case{
		Name:  "grpc-unary",
		Title: "A gRPC call that is in flight when the signal comes is answered, and so is each that is made around it.",
		Rests: "gRPC, doc/statuscodes.md: a call that ends with UNAVAILABLE may have been worked on; proposal A6: what was disowned is repeated by the client's library",
		With:  "grpc",
		needs: needsGRPC,
		run:   runGRPCUnary,
	}
}

// callers are the connections on which calls are made around the signal, by
// clients that are far away.
const callers = 2

func runGRPCUnary(ctx context.Context, p *place) (Result, error) {
	if err := p.awaitOthers(); err != nil {
		return Result{}, err
	}
	ctx, cancel := p.within(ctx)
	defer cancel()
	around, err := p.callAround(ctx)
	if err != nil {
		return Result{}, err
	}
	defer around.end()
	c, err := dial2(ctx, p.server, habits{holds: true})
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	begun, err := p.beginCalls(ctx, c)
	if err != nil {
		return Result{}, err
	}
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	time.AfterFunc(goesOn, around.stop)
	pause(ctx, resumes)
	for _, u := range begun {
		u.finish(ctx)
	}
	worst := p.judgeCalls(ctx, c, begun)
	return judgeUnary(worst, around.count(), begun)
}

// A round is calls that are made on several connections, without waiting for
// answers, for as long as their clients may, or until stop.
type round struct {
	conns   []*conn2
	stop    context.CancelFunc
	calling sync.WaitGroup
	counts  chan map[fate]int
}

func (p *place) callAround(ctx context.Context) (*round, error) {
	r := &round{counts: make(chan map[fate]int, callers)}
	var asking context.Context
	asking, r.stop = context.WithCancel(ctx)
	for range callers {
		c, err := dial2(ctx, p.server, habits{lag: farAway})
		if err != nil {
			r.end()
			return nil, err
		}
		c.mustCross()
		r.conns = append(r.conns, c)
		r.calling.Go(func() {
			asked := c.askOn(asking, func() (*stream2, error) { return c.call(ctx, healthCheck) })
			r.counts <- c.fates(ctx, asked, succeeded)
		})
	}
	return r, nil
}

// count waits for all answers.
func (r *round) count() map[fate]int {
	sum := map[fate]int{}
	for range r.conns {
		for fate, n := range <-r.counts {
			sum[fate] += n
		}
	}
	return sum
}

// end returns when nothing is left of it.
func (r *round) end() {
	r.stop()
	for _, c := range r.conns {
		c.Close()
	}
	r.calling.Wait()
}

// beginCalls brings calls under way that end after the signal: one whose answer
// the client is slow to take, and one to a method that is slow.
func (p *place) beginCalls(ctx context.Context, c *conn2) ([]underWay, error) {
	held, err := c.call(ctx, healthCheck)
	if err != nil {
		return nil, err
	}
	c.awaitHeader(ctx, held)
	begun := []underWay{{held, "a call whose answer its client is slow to take", func(context.Context) error { return c.release(held) }}}
	if method := p.target.Paths.GRPC; method != "" {
		slow, err := c.call(ctx, method)
		if err == nil {
			err = c.release(slow)
		}
		if err != nil {
			return nil, err
		}
		begun = append(begun, underWay{slow, "a slow call", nil})
	}
	return begun, c.ping(ctx)
}

// judgeCalls gives what went wrong with the first call for which something did;
// "" if nothing.
func (p *place) judgeCalls(ctx context.Context, c *conn2, begun []underWay) string {
	for _, u := range begun {
		a := c.answer(ctx, u.stream2)
		code, ok := statusOf(a.header, a.trailer)
		after := Duration(p.since(a.at))
		switch {
		case a.ending != whole:
			return fmt.Sprintf("%s, in flight at the signal: %s, %v after the signal", u.what, a.ending, after)
		case !ok || code != codeOK:
			return fmt.Sprintf("%s, in flight at the signal: ended with %s, %v after the signal", u.what, codeName(code), after)
		}
	}
	return ""
}

func judgeUnary(worst string, sum map[fate]int, begun []underWay) (r Result, err error) {
	around := 0
	for _, n := range sum {
		around += n
	}
	lost := sum[fateLost] + sum[fateRefused]
	switch {
	case worst != "":
		r, err = fail(outcomeCut, "%s", worst)
		lost++
	case sum[fateLost] > 0:
		r, err = fail(outcomeCut, "of %d calls made around the signal %d got no answer, and were not disowned by GOAWAY: their clients see UNAVAILABLE, and may not repeat them", around, sum[fateLost])
	case sum[fateRefused] > 0:
		r, err = fail(outcomeRefusedClose, "of %d calls made around the signal %d were ended with an error", around, sum[fateRefused])
	case sum[fateDisowned] > 0:
		r, err = pass(outcomeAnswered, "the calls in flight and %d made around the signal were answered; %d more were disowned by GOAWAY, and are repeated by the client's library", sum[fateAnswered], sum[fateDisowned])
	default:
		r, err = pass(outcomeAnswered, "the calls in flight and %d made around the signal were answered", sum[fateAnswered])
	}
	r.Sent, r.Lost = around+len(begun), lost
	return r, err
}
