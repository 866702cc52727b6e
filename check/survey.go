package check

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// A Survey is what the server is like on an ordinary day, found out before the
// first stop.
type Survey struct {
	Status    int      `json:"status"`            // of the URL's path
	HTTP1     bool     `json:"http1"`             // HTTP/1.1
	KeepAlive bool     `json:"keep_alive"`        // persistent HTTP/1.1 connections
	Pipelines bool     `json:"pipelines"`         // answers requests that were sent before the earlier ones were answered
	Clients   int      `json:"clients"`           // how many of 48 were answered on HTTP/1.1 while all kept their connections
	Rate      int      `json:"rate"`              // requests a second, of these clients at once
	AtOnce    int      `json:"at_once,omitempty"` // how many of 4 slow requests it worked on at the same time; 0 if none is known
	Upload    *Upload  `json:"upload,omitempty"`  // a request with a body for whose end it waits; nil if none is known
	HTTP2     bool     `json:"http2"`             // by ALPN, or by prior knowledge without TLS
	GRPC      bool     `json:"grpc"`              // answers grpc.health.v1.Health/Check
	Slow      Duration `json:"slow,omitempty"`    // how long the slow path took
	Stream    Duration `json:"stream,omitempty"`  // how long the stream took
	Moves     bool     `json:"moves"`             // listens on the port that it is told, so that several can run at once
	Start     Duration `json:"start"`             // from its start to its first answer
	Server    Server   `json:"-"`                 // what it is made of; see identify

	base     *url.URL  // where it answers
	receives reception // how its first process receives the stop signal, if it can be seen
}

// The least that a slow answer must take, so that it is certain to be under way
// at the signal and some time after.
const leastSlow = 500 * time.Millisecond

// inspect asks the running server all that the cases need to know.
func inspect(ctx context.Context, s *server) (*Survey, error) {
	v := &Survey{base: s.base, Moves: len(s.target.Command) > 0 && portOf(s.base) == s.told}
	v.HTTP2 = speaksHTTP2(ctx, s)
	var err error
	v.Status, v.KeepAlive, err = keepsAlive(ctx, s)
	v.HTTP1 = err == nil
	if !v.HTTP1 && v.HTTP2 {
		v.Status, err = status2(ctx, s)
	}
	if err != nil {
		return nil, err
	}
	if v.HTTP1 {
		v.Pipelines = v.KeepAlive && pipelines(ctx, s)
		if v.Clients, v.Rate = bears(ctx, s); v.Clients >= fewClients {
			v.Clients, v.Rate = bears(ctx, s) // it is warm now
		}
	}
	v.GRPC = v.HTTP2 && answersHealth(ctx, s)
	if err = v.lookAtPaths(ctx, s); err != nil {
		return nil, err
	}
	v.Server = identify(ctx, s, v.header(ctx, s))
	return v, nil
}

// header is that of an ordinary answer.
func (v *Survey) header(ctx context.Context, s *server) http.Header {
	if !v.HTTP1 {
		return nil
	}
	a, _ := once(ctx, s, s.base.RequestURI(), time.Now().Add(s.target.start()))
	return a.header
}

// lookAtPaths tries the paths that were named for what they were named for.
func (v *Survey) lookAtPaths(ctx context.Context, s *server) error {
	p := s.target.Paths
	var err error
	if p.Slow != "" {
		if v.Slow, v.AtOnce, err = v.slowly(ctx, s, p.Slow); err != nil {
			return fmt.Errorf("check: --slow: %w", err)
		}
	}
	if p.Stream != "" {
		if v.Stream, err = v.streams(ctx, s, p.Stream); err != nil {
			return fmt.Errorf("check: --stream: %w", err)
		}
	}
	if v.HTTP1 {
		if v.Upload, err = uploads(ctx, s); err != nil {
			return fmt.Errorf("check: --upload: %w", err)
		}
	}
	if v.GRPC && p.GRPC != "" {
		if err = callLasts(ctx, s); err != nil {
			return fmt.Errorf("check: --grpc: %w", err)
		}
	}
	return nil
}

// keepsAlive asks twice on one connection.
func keepsAlive(ctx context.Context, s *server) (status int, keeps bool, err error) {
	c, err := dial(ctx, s, "http/1.1")
	if err != nil {
		return 0, false, fmt.Errorf("check: %w", err)
	}
	defer c.Close()
	for i := range 2 {
		if err = c.get(s.base.RequestURI()); err != nil {
			return status, false, nil
		}
		a := c.answer(time.Now().Add(s.target.start()))
		switch {
		case i == 0 && a.ending != whole:
			return 0, false, fmt.Errorf("check: GET %s: %s", s.base.RequestURI(), a.ending)
		case a.ending != whole || a.close:
			return max(status, a.status), false, nil
		}
		status = a.status
	}
	return status, true, nil
}

// once is a request on a connection of its own.
func once(ctx context.Context, s *server, path string, until time.Time) (answer, error) {
	c, err := dial(ctx, s, "http/1.1")
	if err != nil {
		return answer{}, err
	}
	defer c.Close()
	if err := c.get(path); err != nil {
		return answer{}, err
	}
	return c.answer(until), nil
}

// lasts is how long the path takes to answer.
func (v *Survey) lasts(ctx context.Context, s *server, path string) (time.Duration, error) {
	one := once
	if !v.HTTP1 {
		one = once2
	}
	began := time.Now()
	a, err := one(ctx, s, path, began.Add(mostAtOnce*s.target.grace()))
	if err != nil {
		return 0, err
	}
	took := a.at.Sub(began)
	if a.ending != whole || a.status/100 != 2 {
		return took, fmt.Errorf("GET %s: %s", path, a)
	}
	return took, nil
}

func (v *Survey) streams(ctx context.Context, s *server, path string) (Duration, error) {
	took, err := v.lasts(ctx, s, path)
	if err == nil {
		err = fits(s, path, took)
	}
	return Duration(took), err
}

// fits says what is wrong with the time that a slow path takes: too short or too
// long an answer proves nothing about a stop.
func fits(s *server, path string, took time.Duration) error {
	switch {
	case took < leastSlow:
		return fmt.Errorf("GET %s took only %v; name a path that takes one or two seconds, %v at least", path, took.Round(time.Millisecond), leastSlow)
	case took > s.target.grace():
		return fmt.Errorf("GET %s took %v, longer than the grace of %v; give it more with --grace, or name a quicker path", path, took.Round(time.Millisecond), s.target.grace())
	}
	return nil
}
