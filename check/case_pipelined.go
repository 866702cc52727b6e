package check

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

func pipelinedRequests() Case {
	return Case{
		Name:  "pipelined",
		Title: "Requests that were sent together are answered in their order, all that the server does not disown by Connection: close.",
		Rests: "RFC 9112 §9.3.2: pipelining; §9.6: after an answer with close no further request of the connection is processed, and the client knows it",
		With:  "pipelined",
		needs: all(needsKeepAlive, needsPipelining),
		run:   runPipelined,
	}
}

func needsPipelining(_ Target, s *Survey) string {
	if !s.Pipelines {
		return "the server does not answer pipelined requests on any day"
	}
	return ""
}

// pipelined is how many requests are sent at once.
const pipelined = 3

// outcomeDisowned is a client that was told, by Connection: close, that the
// requests which it had sent after that one were not looked at.
const outcomeDisowned Outcome = "disowned"

func runPipelined(ctx context.Context, p *place) (Result, error) {
	if err := p.awaitOthers(); err != nil {
		return Result{}, err
	}
	c, err := p.dial(ctx)
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	// Where there is a slow path it is first, and the others wait behind it when
	// the signal comes. Otherwise all are sent in that moment.
	first := p.path()
	if p.target.Paths.Slow != "" {
		first = p.target.Paths.Slow
	}
	all := c.head(http.MethodGet, first) + "\r\n" + strings.Repeat(c.head(http.MethodGet, p.path())+"\r\n", pipelined-1)
	if err := c.send(all); err != nil {
		return Result{}, err
	}
	await := p.awaitSignal
	if p.target.Paths.Slow != "" {
		p.asked = time.Now()
		p.taken(ctx, c)
		await = p.awaitSignalAsked
	}
	if err := await(); err != nil {
		return Result{}, err
	}
	return p.judgePipelined(c)
}

func (p *place) judgePipelined(c *conn) (Result, error) {
	for n := range pipelined {
		a := c.answer(p.patience())
		after := Duration(p.since(a.at))
		switch {
		case !p.right(a):
			r, err := p.judgeInFlight(a)
			r.Observed = fmt.Sprintf("%d of %d requests sent together were answered, with no word of an end; then %s, %v after the signal", n, pipelined, a.said(), after)
			r.Sent, r.Lost = pipelined, pipelined-n
			return r, err
		case n == pipelined-1:
			r, err := pass(outcomeAnswered, "all of %d requests sent together were answered, the last %v after the signal", pipelined, after)
			r.Sent = pipelined
			return r, err
		case a.close:
			r, err := warn(outcomeDisowned, "%d of %d requests sent together were answered, the last of these with Connection: close %v after the signal; the client must send the others again, and knows that it may", n+1, pipelined, after)
			r.Sent = pipelined
			return r, err
		}
	}
	panic("unreachable")
}
