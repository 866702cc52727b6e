package check

import (
	"context"
	"sync"
)

func usedAtSignal() Case {
	return Case{
		Name:  "used-at-signal",
		Title: "Requests on kept-alive connections that have come to the server when the signal does, and are not read yet, are answered.",
		Rests: "RFC 9112 §9.3: a connection persists until one side says that it closes; §9.5: clients cannot know of a close that is on its way",
		needs: all(needsLocal, needsKeepAlive),
		run:   runUsedAtSignal,
	}
}

// crossing is how many clients ask at the signal. The more there are, the more
// certain it is that a server which closes idle connections meets a request.
const crossing = 24

// runUsedAtSignal makes the moment certain: the requests are put into the
// sockets of a frozen server.
func runUsedAtSignal(ctx context.Context, p *place) (Result, error) {
	conns, err := p.manyUsed(ctx, min(crossing, p.survey.Clients))
	defer closeAll(conns)
	if err != nil {
		return Result{}, err
	}
	thaw, err := p.freeze(ctx)
	if err != nil {
		return Result{}, err
	}
	defer thaw()
	for _, c := range conns {
		if err := c.get(p.path()); err != nil {
			return Result{}, err
		}
		p.queued(ctx, c)
	}
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	thaw()
	kept := &account{stage: p.Stage}
	var reading sync.WaitGroup
	for _, c := range conns {
		reading.Go(func() { kept.enter(c.answer(p.patience())) })
	}
	reading.Wait()
	return kept.judge("requests that were in the server's sockets at the signal, each on a kept-alive connection,")
}

func (s *Stage) manyUsed(ctx context.Context, n int) ([]*conn, error) {
	var conns []*conn
	for range n {
		c, err := s.used(ctx)
		if err != nil {
			return conns, err
		}
		conns = append(conns, c)
	}
	return conns, nil
}

func closeAll(conns []*conn) {
	for _, c := range conns {
		c.Close()
	}
}
