package check

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

func steadyLoad() Case {
	return Case{
		Name:  "steady-load",
		Title: "Of many clients that send a request now and then, none loses one: each is told to go before its connection ends.",
		Rests: "RFC 9112 §9.6: the last answer says Connection: close; §9.5: a close that is not announced may cross a request",
		With:  "load",
		needs: needsHTTP1,
		run:   runSteadyLoad,
	}
}

// What the clients do. The chance that a request crosses the end of its
// connection goes with the requests that are under way at any time: 48 clients,
// ten requests a second each, a client that knows 10 ms later what the server has
// done: five, as with 10,000 requests a second from half a millisecond away.
const (
	steadyEvery = 100 * time.Millisecond
	steadyLag   = 10 * time.Millisecond
	steadyAfter = 1500 * time.Millisecond // for which those go on that are not told to go
	steadyShare = 0.5                     // of what the server can do; more would measure its queues
)

func runSteadyLoad(ctx context.Context, p *place) (Result, error) {
	kept := &account{stage: p.Stage}
	clients := steadyClients(p.survey)
	client, who := p.askSteadily, fmt.Sprintf("and know what the server does %v later", steadyLag)
	if !p.survey.KeepAlive {
		client, who = p.askAnew, "each time on a new connection"
	}
	var asking, begun sync.WaitGroup
	begun.Add(clients)
	for range clients {
		asking.Go(func() {
			began := sync.OnceFunc(begun.Done)
			defer began()
			client(ctx, kept, began)
		})
	}
	begun.Wait()
	err := p.awaitSignal()
	asking.Wait()
	if err != nil {
		return Result{}, err
	}
	return kept.judge(fmt.Sprintf("requests of %d %s that ask ten times a second, %s,", clients, numbered(clients, "client"), who))
}

// steadyClients are as many as the server can serve easily.
func steadyClients(s *Survey) int {
	easily := int(float64(s.Rate) * steadyShare * steadyEvery.Seconds())
	return max(1, min(easily, s.Clients, mostClients))
}

// askSteadily is a client with one kept-alive connection, until it is told to go,
// or its connection ends. It has begun when it is at its steady pace.
func (p *place) askSteadily(ctx context.Context, kept *account, began func()) {
	c, err := p.used(ctx)
	if err != nil {
		return
	}
	c.distant(steadyLag)
	defer func() { c.Close() }()
	for next := firstTurn(); p.beforeOrWithin(steadyAfter); next = next.Add(steadyEvery) {
		if _, gone := c.hungUp(next); gone {
			return
		}
		a := c.exchange(p.path(), p.patience())
		if !kept.enter(a) || a.close {
			return
		}
		began()
	}
}

// askAnew is a client that opens a connection for each request, as the server
// keeps none.
func (p *place) askAnew(ctx context.Context, kept *account, began func()) {
	for next := firstTurn(); p.beforeOrWithin(steadyAfter); next = next.Add(steadyEvery) {
		pause(ctx, time.Until(next))
		a, err := p.ask(ctx, p.path())
		if err != nil {
			kept.refused(time.Now())
			return
		}
		if !kept.enter(a) {
			return
		}
		began()
	}
}

func firstTurn() time.Time { return time.Now().Add(rand.N(steadyEvery)) }
