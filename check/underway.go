package check

import (
	"context"
	"net/http"
	"slices"
)

// An underWay request is one that the server has read and is at work on.
type underWay struct {
	*stream2
	what string
	rest func(context.Context) error // what the client has still to do; nil if nothing
}

// finish does the client's part. That it could not be done shows in the answer.
func (u underWay) finish(ctx context.Context) {
	if u.rest != nil {
		_ = u.rest(ctx)
	}
}

// begin2 brings requests of all the kinds that can be had under way, on a
// connection that holds: one kind is an answer that waits for its client to take
// it, which needs nothing of the server but a body.
func (p *place) begin2(ctx context.Context, c *conn2) ([]underWay, error) {
	var begun []underWay
	for _, kind := range []struct {
		what, path string
		open       func(ctx context.Context, path string) (underWay, error)
	}{
		{"a slow request", p.target.Paths.Slow, c.plain},
		{"a streaming answer", p.target.Paths.Stream, c.plain},
		{"a request whose body was half sent", p.target.Paths.Upload, c.halfSent},
		{"an answer that its client is slow to take", p.path(), c.heldBack},
	} {
		if kind.path == "" {
			continue
		}
		u, err := kind.open(ctx, kind.path)
		if err != nil {
			return nil, err
		}
		u.what = kind.what
		begun = append(begun, u)
	}
	if err := c.ping(ctx); err != nil {
		return nil, err
	}
	c.awaitHeader(ctx, begun[len(begun)-1].stream2)
	return slices.DeleteFunc(begun, func(u underWay) bool { return c.settled(u.stream2) }), nil
}

// ask asks for a path, and takes the answer's body as it comes.
func (c *conn2) ask(path string) (*stream2, error) {
	st, err := c.get(path)
	if err == nil && c.holds {
		err = c.release(st)
	}
	return st, err
}

func (c *conn2) plain(_ context.Context, path string) (underWay, error) {
	st, err := c.ask(path)
	return underWay{stream2: st}, err
}

func (c *conn2) halfSent(ctx context.Context, path string) (underWay, error) {
	half := make([]byte, 4<<10)
	st, err := c.open(http.MethodPost, path, false, "content-type: application/octet-stream")
	if err == nil {
		err = c.release(st)
	}
	if err == nil {
		err = c.send(ctx, st, half, false)
	}
	return underWay{stream2: st, rest: func(ctx context.Context) error { return c.send(ctx, st, half, true) }}, err
}

func (c *conn2) heldBack(_ context.Context, path string) (underWay, error) {
	st, err := c.get(path)
	return underWay{stream2: st, rest: func(context.Context) error { return c.release(st) }}, err
}
