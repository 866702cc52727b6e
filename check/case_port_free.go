package check

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

func portFree() Case {
	return Case{
		Name:  "port-free",
		Title: "After the exit the next server can listen on the same port at once.",
		Rests: "socket(7), SO_REUSEADDR; RFC 9293 §3.6.1, TIME-WAIT",
		With:  "kept",
		needs: needsLocal,
		run:   runPortFree,
	}
}

const (
	outcomeFree        Outcome = "free"
	outcomePortHeld    Outcome = "port held" // somebody still listens
	outcomeNoSuccessor Outcome = "no successor"
)

func runPortFree(ctx context.Context, p *place) (Result, error) {
	// A connection that the server closes first leaves its port in TIME-WAIT.
	if c, err := p.used(ctx); err == nil {
		defer c.Close()
	}
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	if err := p.awaitGone(ctx); err != nil {
		return Result{}, err
	}
	l, err := listenSoon(ctx, p.base.Host)
	if err != nil {
		who := "somebody"
		if left := p.stance.stillServing(portOf(p.base)); len(left) > 0 {
			who = describeAll(left)
		}
		return fail(outcomePortHeld, "%s still listens on %s after the first process has exited", who, p.base.Host)
	}
	l.Close()
	if !p.own {
		return pass(outcomeFree, "%s could be listened on at once", p.base.Host)
	}
	return p.startSuccessor(ctx)
}

// restarts is how soon a supervisor may start the next one: the default of
// systemd.service(5), RestartSec=.
const restarts = 100 * time.Millisecond

func listenSoon(ctx context.Context, host string) (net.Listener, error) {
	for last := time.Now().Add(restarts); ; pause(ctx, 5*time.Millisecond) {
		l, err := net.Listen("tcp", host)
		if err == nil || time.Now().After(last) || ctx.Err() != nil {
			return l, err
		}
	}
}

// startSuccessor starts the same server on the same port: whether a port in
// TIME-WAIT is free depends on how it is asked for.
func (s *Stage) startSuccessor(ctx context.Context) (Result, error) {
	next, err := up(ctx, s.target, portOf(s.base), false)
	switch {
	case ctx.Err() != nil:
		return Result{}, ctx.Err()
	case err != nil:
		return fail(outcomeNoSuccessor, "the port is free, and yet the next server did not start: %s", strings.TrimPrefix(fmt.Sprint(err), "check: "))
	}
	next.end()
	return pass(outcomeFree, "the next server listened on %s at once", s.base.Host)
}
