package check

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

func acceptQueue() Case {
	return Case{
		Name:  "accept-queue",
		Title: "Connections that wait in the accept queue when the signal comes are accepted, and their requests answered.",
		Rests: "listen(2): to the client a connection in the queue is open, and its request sent",
		needs: all(needsLocal, needsHTTP1),
		run:   runAcceptQueue,
	}
}

const (
	waiting     = 12                     // connections: more than a server takes with its last look
	queueWithin = 500 * time.Millisecond // one that is not in the queue by then finds it full; that of Python's servers has five
)

// runAcceptQueue makes the moment certain: the connections are opened, and their
// requests sent, while the server is frozen.
func runAcceptQueue(ctx context.Context, p *place) (Result, error) {
	thaw, err := p.freeze(ctx)
	if err != nil {
		return Result{}, err
	}
	defer thaw()
	kept := &account{stage: p.Stage}
	var asking sync.WaitGroup
	defer asking.Wait()
	conns := p.queue(ctx)
	for _, raw := range conns {
		defer raw.Close()
		asking.Go(func() { kept.enter(p.askOn(ctx, raw)) })
		p.queued(ctx, &conn{Conn: raw})
	}
	if len(conns) == 0 {
		return Result{}, errors.New("no connection came into the queue while the server was frozen")
	}
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	thaw()
	asking.Wait()
	return kept.judge("requests on connections that waited to be accepted at the signal")
}

// queue opens connections that nobody accepts.
func (s *Stage) queue(ctx context.Context) []net.Conn {
	var conns []net.Conn
	for range waiting {
		ctx, cancel := context.WithTimeout(ctx, queueWithin)
		raw, err := connect(ctx, s.server)
		cancel()
		if err != nil {
			break // the queue is full
		}
		conns = append(conns, raw)
	}
	return conns
}

// askOn is a client from the moment on at which the kernels have shaken hands.
func (s *Stage) askOn(ctx context.Context, raw net.Conn) answer {
	ctx, cancel := context.WithDeadline(ctx, s.patience())
	defer cancel()
	c, err := secure(ctx, s.server, raw, "http/1.1")
	if err != nil {
		return answer{ending: endingOf(err, false), at: time.Now()}
	}
	defer c.Close() // a server that serves one connection at a time turns to the next
	return c.exchange(s.path(), s.patience())
}
