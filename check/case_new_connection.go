package check

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

func newConnection() Case {
	return Case{
		Name:  "new-connection",
		Title: "A connection that is opened after the signal serves its request, or is refused; for a second it is served.",
		Rests: "listen(2); Kubernetes, kube-proxy: --iptables-min-sync-period (1 s): new connections come for a while after the signal",
		With:  "new",
		needs: needsHTTP1,
		run:   runNewConnection,
	}
}

const (
	betweenTries = 50 * time.Millisecond
	// notice is for how long a server should go on accepting after the signal.
	// Whoever sends requests learns of the stop at the same time as the server:
	// kube-proxy changes its rules once a second at most, and probes are seldom
	// more frequent.
	notice = time.Second
)

func runNewConnection(ctx context.Context, p *place) (Result, error) {
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	// What comes in the very moment is the matter of in-flight-short.
	next := p.at.Add(betweenTries)
	var last Duration
	n := 0
	for ; p.since(time.Now()) < notice+p.slack(); n++ {
		pause(ctx, time.Until(next))
		began := time.Now()
		a, err := p.ask(ctx, p.path())
		switch {
		case err != nil:
			return p.judgeRefusal(n, Duration(p.since(began)), err)
		case !p.right(a):
			return p.judgeAccepted(n, Duration(p.since(began)), a)
		}
		last, next = Duration(p.since(began)), began.Add(betweenTries)
	}
	r, err := pass(outcomeAnsweredOn, "new connections were served, %d of them; the last was opened %v after the signal", n, last)
	r.Sent = n
	return r, err
}

// judgeRefusal is the verdict on a listener that has gone.
func (p *place) judgeRefusal(n int, after Duration, failed error) (Result, error) {
	if err := p.cancelled.Err(); err != nil {
		return Result{}, err
	}
	how := "refused"
	if !errors.Is(failed, syscall.ECONNREFUSED) {
		how = fmt.Sprintf("not opened (%v)", failed)
	}
	r, err := warn(outcomeNotOpened, "%s %v after the signal, after %d that were served; nothing is lost if whoever sends requests was told before the server was", how, after, n)
	r.Sent = n
	return r, err
}

// judgeAccepted is the verdict on a connection that was opened for nothing.
func (p *place) judgeAccepted(n int, after Duration, a answer) (Result, error) {
	r, err := p.judgeInFlight(a)
	r.Observed = fmt.Sprintf("a connection opened %v after the signal was accepted, and its request was %s", after, a.said())
	r.Sent, r.Lost = n+1, 1
	return r, err
}
