package check

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

func halfHeaders() Case {
	return Case{
		Name:  "half-headers",
		Title: "A client that has sent half of its request's header when the signal comes sends the rest, and is answered.",
		Rests: "RFC 9112 §9.5: a server should not close a connection while a request is on its way; A. Qvist (2025): even good servers cut these",
		With:  "half headers",
		needs: needsHTTP1,
		run:   runHalfHeaders,
	}
}

// unhurried is how long after the signal a client that was in the middle of
// something goes on with it: as after a lost packet, which TCP repeats after
// 200 ms at the earliest.
const unhurried = 300 * time.Millisecond

func runHalfHeaders(ctx context.Context, p *place) (Result, error) {
	halves, err := p.halves(ctx)
	defer func() {
		for _, h := range halves {
			h.Close()
		}
	}()
	if err != nil {
		return Result{}, err
	}
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	var finishing sync.WaitGroup
	for _, h := range halves {
		finishing.Go(func() { h.answer = p.finish(h.conn, h.rest) })
	}
	finishing.Wait()
	return p.judgeHalves(halves)
}

// A half is a request of which half is sent.
type half struct {
	*conn
	where, rest string
	answer      answer
}

// halves are one on a fresh connection and, where there are any, one on a
// connection that was used before: to many servers the first is new, and the
// second idle.
func (p *place) halves(ctx context.Context) ([]*half, error) {
	ways := []struct {
		where string
		dial  func(context.Context) (*conn, error)
	}{{"on a fresh connection", p.dial}, {"on a used one", p.used}}
	if !p.survey.KeepAlive || p.survey.Clients < len(ways) {
		ways = ways[:1]
	}
	var halves []*half
	for _, way := range ways {
		c, err := way.dial(ctx)
		if err != nil {
			return halves, err
		}
		head := c.head("GET", p.path()) + "\r\n"
		cut := len(head) - len("agent: segue-check\r\nAccept: */*\r\n\r\n")
		halves = append(halves, &half{conn: c, where: way.where, rest: head[cut:]})
		if err := c.send(head[:cut]); err != nil {
			return halves, err
		}
		p.taken(ctx, c)
	}
	return halves, nil
}

// finish sends the rest of a request some time after the signal, and takes the
// answer. A client that is not done sending looks whether the server still
// listens.
func (p *place) finish(c *conn, rest string) answer {
	if e, gone := c.hungUp(p.at.Add(unhurried + p.slack())); gone {
		return answer{ending: e, at: time.Now()}
	}
	if err := c.send(rest); err != nil {
		return answer{ending: endingOf(err, false), at: time.Now()}
	}
	return c.answer(p.patience())
}

func (p *place) judgeHalves(halves []*half) (Result, error) {
	kept := &account{stage: p.Stage}
	var words []string
	for _, h := range halves {
		kept.enter(h.answer)
		words = append(words, fmt.Sprintf("%s: %s, %v after the signal", h.where, h.answer, Duration(p.since(h.answer.at))))
	}
	r, err := kept.judge("requests")
	r.Observed = strings.Join(words, "; ")
	return r, err
}
