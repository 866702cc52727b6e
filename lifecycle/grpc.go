package lifecycle

import (
	"context"
	"errors"
	"net"
)

// GRPCServer is what is needed of a *grpc.Server of google.golang.org/grpc.
type GRPCServer interface {
	Serve(net.Listener) error
	GracefulStop()
	Stop()
}

// GRPC is a component that serves gRPC, on sockets as [HTTP] does; addr "" is the
// port in the environment variable PORT.
//
// The drain is: health says NOT_SERVING ([WithHealth]); calls are taken for the
// delay ([WithDelay]) unless another process accepts on the same socket; the
// socket is closed; streaming handlers are told ([OnStopping]); GracefulStop,
// which has the two steps of GOAWAY and waits for calls; at the deadline Stop.
//
// A stream that goes on, such as health's Watch, holds up GracefulStop. Let a
// stream interceptor end it with codes.Unavailable when OnStopping is called.
func GRPC(gs GRPCServer, addr string, opts ...Option) Component {
	g := &grpcServer{server: newServer("grpc", addr, opts), gs: gs}
	return Component{Name: g.name, Start: g.start, Stop: g.stop, server: g.server}
}

type grpcServer struct {
	*server
	gs GRPCServer
}

func (g *grpcServer) start(ctx context.Context) error {
	if err := g.open(ctx); err != nil {
		return err
	}
	g.begin(ctx, g.gs.Serve)
	return nil
}

func (g *grpcServer) stop(ctx context.Context) error {
	g.leaving.Store(true)
	g.takeOut(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.gs.GracefulStop()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	g.gs.Stop() // which lets GracefulStop return
	<-done
	return errors.New("calls were still under way when the time was over, and have been cut")
}
