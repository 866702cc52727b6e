// Command stopping is a gRPC service by grpc-go that is run by package lifecycle.
// With an address as its argument it is a client.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	pb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/seguehq/segue/lifecycle"
)

func main() {
	run := serve
	if len(os.Args) > 1 {
		run = func() error { return client(os.Args[1]) }
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

// client makes calls, short and long, until its input ends, and prints how many
// were answered and how many not.
func client(addr string) error {
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	var answered, lost atomic.Int32
	var calling sync.WaitGroup
	for _, method := range []string{"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Check", "/test.Slow/Wait"} {
		calling.Go(func() {
			for ctx.Err() == nil {
				err := conn.Invoke(context.Background(), method, &pb.HealthCheckRequest{}, &pb.HealthCheckResponse{})
				if err == nil {
					answered.Add(1)
				} else {
					lost.Add(1)
					fmt.Println(method, err)
				}
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	calling.Wait()
	fmt.Println("answered", answered.Load(), "lost", lost.Load())
	return nil
}

func serve() error {
	stopping := make(chan struct{})
	server := grpc.NewServer(grpc.StreamInterceptor(endStreams(stopping)))
	healthy := health.NewServer()
	pb.RegisterHealthServer(server, healthy)
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "test.Slow", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{MethodName: "Wait", Handler: wait}}}, struct{}{})
	return lifecycle.Run(context.Background(), lifecycle.GRPC(server, "",
		lifecycle.OnStopping(func() { close(stopping) }),
		lifecycle.WithHealth(func(serving bool) {
			if serving {
				healthy.Resume()
			} else {
				healthy.Shutdown()
			}
		})))
}

// endStreams ends streams that go on, in the words that have clients begin anew.
func endStreams(stopping <-chan struct{}) grpc.StreamServerInterceptor {
	return func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		ctx, cancel := context.WithCancel(s.Context())
		defer cancel()
		go func() {
			select {
			case <-stopping:
				cancel()
			case <-ctx.Done():
			}
		}()
		err := handler(srv, stream{s, ctx})
		if err != nil && ctx.Err() != nil && s.Context().Err() == nil {
			return status.Error(codes.Unavailable, "the server is stopping")
		}
		return err
	}
}

// A stream whose handler is told by the context.
type stream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s stream) Context() context.Context { return s.ctx }

func wait(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	in := new(pb.HealthCheckRequest)
	if err := decode(in); err != nil {
		return nil, err
	}
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	return &pb.HealthCheckResponse{}, ctx.Err()
}
