package check

import (
	"context"
	"errors"
	"fmt"
	"time"
)

func grpcHealth() Case {
	return Case{
		Name:  "grpc-health",
		Title: "Who asks a gRPC server for its health is told NOT_SERVING after the signal, while it still takes calls.",
		Rests: "gRPC, doc/health-checking.md; Kubernetes, Configure Liveness, Readiness and Startup Probes: gRPC probes",
		With:  "grpc",
		needs: needsGRPC,
		run:   runGRPCHealth,
	}
}

// outcomeHalfTold is a server that has told those who ask, and not those who
// have asked to be told.
const outcomeHalfTold Outcome = "half told"

// It is the readiness of gRPC, and judged as that is.
func runGRPCHealth(ctx context.Context, p *place) (Result, error) {
	c, watch, err := p.openWatch(ctx)
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	c.awaitHeader(ctx, watch)
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	ctx, cancel := p.within(ctx)
	defer cancel()
	h := p.probeHealth(ctx)
	after := Duration(p.since(h.turned))
	switch {
	case h.why != nil && h.turned.IsZero():
		return warn(outcomeNotOpened, "Check said nothing but SERVING until calls were not taken any more, %v after the signal (%v)", Duration(p.since(h.refused)), h.why)
	case h.why != nil && h.refused.Sub(h.served) < notice:
		return warn(outcomeShortNotice, "Check turned %v after the signal, and calls were not taken any more %v later: a probe each second may not see it", after, Duration(h.refused.Sub(h.turned)))
	case h.turned.IsZero():
		return warn(outcomeStillReady, "Check still said SERVING %v after the signal", Duration(p.since(time.Now())))
	}
	told, watched := p.watched(c, watch)
	if !told {
		return warn(outcomeHalfTold, "Check turned %v after the signal, but %s", after, watched)
	}
	return pass(outcomeTurned, "Check turned %v after the signal, and calls were still taken %v later; %s", after, notice, watched)
}

// openWatch opens a connection and, on it, a stream that tells of the server's
// health.
func (p *place) openWatch(ctx context.Context) (*conn2, *stream2, error) {
	c, err := dial2(ctx, p.server, habits{})
	if err != nil {
		return nil, nil, err
	}
	watch, err := c.call(ctx, healthWatch)
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	return c, watch, nil
}

// A healthTurn is how a server's health went on after the signal.
type healthTurn struct {
	served  time.Time // the last moment at which it is known to have been SERVING
	turned  time.Time // when it was seen to be no longer
	refused time.Time // when a call was not taken
	why     error     // with refused
}

// probeHealth asks on fresh connections, until it is known whether those who
// choose by health learn in time.
func (p *place) probeHealth(ctx context.Context) healthTurn {
	const enough = 3 // failures in a row: a connection that was open at the signal may be said goodbye to, and the next one served
	h := healthTurn{served: p.at}
	pause(ctx, time.Until(p.at.Add(betweenTries))) // what comes in the very moment is the matter of grpc-unary
	for failed := 0; failed < enough; pause(ctx, betweenTries) {
		began := time.Now()
		said, err := askHealth(ctx, p.server)
		var code grpcError
		switch {
		case ctx.Err() != nil:
			return h
		case err != nil && !errors.As(err, &code):
			if failed++; failed == 1 {
				h.refused, h.why = began, err
			}
			continue
		case said == isServing && h.turned.IsZero():
			h.served = began
		case h.turned.IsZero():
			h.turned = began
		}
		failed, h.why = 0, nil
		if !h.turned.IsZero() && began.Sub(h.served) >= notice || h.turned.IsZero() && p.since(began) > notice {
			return h
		}
	}
	return h
}

// watched tells what one who has asked to be told has been told.
func (p *place) watched(c *conn2, watch *stream2) (told bool, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	said, _ := messages(watch.body)
	code, ended := statusOf(watch.header, watch.trailer)
	switch {
	case ended && code == codeUnimplemented:
		return true, "there is no Watch"
	case len(said) > 0 && servingOf(said[len(said)-1]) != isServing:
		return true, fmt.Sprintf("Watch said %s", servingOf(said[len(said)-1]))
	case ended:
		return true, fmt.Sprintf("Watch ended with %s", codeName(code))
	case c.told():
		return true, "Watch's connection was said goodbye to"
	}
	return false, "Watch went on saying SERVING"
}
