package check

import (
	"context"
	"errors"
	"time"
)

func inFlightStream() Case {
	return Case{
		Name:  "in-flight-stream",
		Title: "An answer that has begun when the signal comes goes on to its proper end.",
		Rests: "RFC 9112 §8: a body without its last chunk, or shorter than its Content-Length, is incomplete",
		With:  "stream",
		needs: all(needsHTTP1, needsPath("stream", func(p Paths) string { return p.Stream })),
		run:   runInFlightStream,
	}
}

// outcomeTruncated is an answer that ended early, and as if it were whole.
const outcomeTruncated Outcome = "truncated"

func runInFlightStream(ctx context.Context, p *place) (Result, error) {
	if err := p.awaitOthers(); err != nil {
		return Result{}, err
	}
	c, err := p.dial(ctx)
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	began := time.Now()
	if err := c.get(p.target.Paths.Stream); err != nil {
		return Result{}, err
	}
	res, a := c.opening(p.patience())
	if res == nil {
		return Result{}, errors.New("the stream did not begin: " + a.said())
	}
	defer res.Body.Close()
	if _, err := res.Body.Read(make([]byte, 1)); err != nil {
		return Result{}, errors.New("the stream did not begin: " + string(endingOf(err, true)))
	}
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	if p.at.Sub(began) > time.Duration(p.survey.Stream) {
		return Result{}, errLate
	}
	_ = c.SetReadDeadline(p.patience())
	a = c.rest(res, a)
	return p.judgeLongAnswer(a, a.at.Sub(began))
}

// judgeLongAnswer knows how long the stream takes on an ordinary day. One that took
// much less was ended, however politely: the client takes a part for the whole.
func (s *Stage) judgeLongAnswer(a answer, took time.Duration) (Result, error) {
	after := Duration(s.since(a.at))
	switch {
	case !s.right(a):
		return s.judgeInFlight(a)
	case took < time.Duration(s.survey.Stream)/2:
		return fail(outcomeTruncated, "ended %v after the signal as if it were whole, after %v instead of %v", after, Duration(took), s.survey.Stream)
	case !a.framed:
		return pass(outcomeAnswered, "went on to its end, %v after the signal; as it has neither length nor chunks, its clients could not tell that from a cut", after)
	default:
		return pass(outcomeAnswered, "went on to its proper end, %v after the signal", after)
	}
}
