package check

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// What a server that is not narrow can bear. A stage's cases together ask for no
// more.
const (
	mostAtOnce  = 4  // slow requests
	mostClients = 48 // persistent connections, of which only steady-load has so many
	fewClients  = 8  // with fewer, cases do not share a stage
)

// narrow reports whether the server serves so few at a time that cases which
// share a stage would wait for each other: what is lost then is not lost to the
// stop.
func (v *Survey) narrow() bool {
	return v.AtOnce > 0 && v.AtOnce < mostAtOnce || v.HTTP1 && v.Clients < fewClients
}

// bearsWithin is how long a server may take to answer all clients at once, each
// on a connection of its own. One that serves a connection to its end before it
// turns to the next answers only the first.
const bearsWithin = 2 * time.Second

// bears is how many clients got an answer while all kept their connections, and
// how many requests a second that was.
func bears(ctx context.Context, s *server) (clients, rate int) {
	began := time.Now()
	conns, answers := make([]*conn, mostClients), make([]answer, mostClients)
	var asking sync.WaitGroup
	for i := range conns {
		asking.Go(func() {
			c, err := dial(ctx, s, "http/1.1")
			if err != nil {
				return
			}
			conns[i] = c
			if c.get(s.base.RequestURI()) == nil {
				answers[i] = c.answer(began.Add(bearsWithin))
			}
		})
	}
	asking.Wait()
	took := time.Millisecond
	for i, a := range answers {
		if conns[i] != nil {
			conns[i].Close()
		}
		if a.ending == whole && a.status/100 != 5 {
			clients, took = clients+1, max(took, a.at.Sub(began))
		}
	}
	return max(1, clients), int(float64(clients) / took.Seconds())
}

// slowly asks for the path several times at once: how long that takes, and how
// many of the requests the server worked on at the same time.
func (v *Survey) slowly(ctx context.Context, s *server, path string) (took Duration, atOnce int, err error) {
	times, errs := make([]time.Duration, mostAtOnce), make([]error, mostAtOnce)
	var asking sync.WaitGroup
	for i := range times {
		asking.Go(func() { times[i], errs[i] = v.lasts(ctx, s, path) })
	}
	asking.Wait()
	var good []time.Duration
	for i, err := range errs {
		if err == nil {
			good = append(good, times[i])
		}
	}
	if len(good) == 0 {
		return 0, 0, errs[0]
	}
	least := slices.Min(good)
	if slices.Max(good) < least*7/4 { // one that waited for another takes twice as long
		return Duration(least), len(good), fits(s, path, least)
	}
	for _, t := range good {
		if t < least+max(least/4, leastSlow/2) {
			atOnce++
		}
	}
	return Duration(least), atOnce, fits(s, path, least)
}

// pipelines reports whether the server answers requests that are sent before the
// earlier ones are answered. RFC 9112 §9.3.2 wants it to.
func pipelines(ctx context.Context, s *server) bool {
	c, err := dial(ctx, s, "http/1.1")
	if err != nil {
		return false
	}
	defer c.Close()
	if err := c.send(strings.Repeat(c.head(http.MethodGet, s.base.RequestURI())+"\r\n", pipelined)); err != nil {
		return false
	}
	until := time.Now().Add(bearsWithin)
	for range pipelined {
		if a := c.answer(until); a.ending != whole {
			return false
		}
	}
	return true
}

// An Upload is a request with a body for whose end the server waits before it
// answers.
type Upload struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Status int    `json:"status"` // of the answer
}

func (u *Upload) head(c *conn, length int, fields ...string) string {
	fields = append(fields, "Content-Type: application/octet-stream", fmt.Sprintf("Content-Length: %d", length))
	return c.head(u.Method, u.Path, fields...) + "\r\n"
}

// uploads finds such a request: the one that was named, or else one that every
// server may be asked. OPTIONS is safe (RFC 9110 §9.2.1) and may have a body
// (§9.3.7); servers that read a body before they call the program wait for it.
func uploads(ctx context.Context, s *server) (*Upload, error) {
	u := &Upload{Method: http.MethodPost, Path: s.target.Paths.Upload}
	if u.Path == "" {
		u.Method, u.Path = http.MethodOptions, s.base.RequestURI()
	}
	early, a, err := u.try(ctx, s)
	good := err == nil && !early && a.ending == whole && a.status/100 != 5
	u.Status = a.status
	switch {
	case s.target.Paths.Upload == "" && !good:
		return nil, nil
	case s.target.Paths.Upload == "":
		return u, nil
	case err != nil:
		return nil, err
	case early:
		return nil, fmt.Errorf("POST %s was answered %d before all of its body was sent; name a path that reads the body to its end", u.Path, a.status)
	case a.ending != whole || a.status/100 != 2:
		return nil, fmt.Errorf("POST %s with a body of %d bytes: %s", u.Path, triedBytes, a)
	}
	return u, nil
}

const (
	triedBytes = 1000
	triedPause = 200 * time.Millisecond // in which a server that does not wait for the body has answered
)

// try sends a body in two halves. The answer is early if it came between them.
func (u *Upload) try(ctx context.Context, s *server) (early bool, a answer, err error) {
	c, err := dial(ctx, s, "http/1.1")
	if err != nil {
		return false, a, err
	}
	defer c.Close()
	half := strings.Repeat("x", triedBytes/2)
	if err := c.send(u.head(c, triedBytes) + half); err != nil {
		return false, a, err
	}
	if e, _ := c.hungUp(time.Now().Add(triedPause)); e != timeout {
		early = true
	} else {
		_ = c.send(half) // the answer says why it failed
	}
	return early, c.answer(time.Now().Add(s.target.grace())), nil
}
