package kubernetes

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

const (
	answerTime = 30 * time.Second       // for a request that is no watch
	awayTime   = time.Minute            // for which a server that was there before may be away: it is being replaced
	awayPause  = 500 * time.Millisecond // between two attempts
)

// do sends a request. A server that has answered before and is away for a
// moment, as while a control plane is upgraded, is waited for, if the request
// cannot have arrived or may be repeated.
func (c *Cluster) do(ctx context.Context, request func() *rest.Request, repeatable bool) rest.Result {
	deadline := time.Now().Add(awayTime)
	for {
		res := c.once(ctx, request())
		err := res.Error()
		if err == nil || errors.As(err, new(apierrors.APIStatus)) && !apierrors.IsServiceUnavailable(err) {
			c.reached.Store(true)
			return res
		}
		if ctx.Err() != nil || !c.reached.Load() || !away(err, repeatable) || time.Now().After(deadline) {
			return res
		}
		select {
		case <-ctx.Done():
			return res
		case <-time.After(awayPause):
		}
	}
}

func (c *Cluster) once(ctx context.Context, r *rest.Request) rest.Result {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return r.Do(ctx)
}

// away reports whether an error is that of a server that is not there, and the
// request may be sent again.
func away(err error, repeatable bool) bool {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return true
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return true
	}
	return repeatable && (op != nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || apierrors.IsServiceUnavailable(err))
}
