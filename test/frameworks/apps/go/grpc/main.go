// Command grpc stops as grpc-go's example of graceful stop does, and takes its
// health service to NOT_SERVING first:
// https://github.com/grpc/grpc-go/tree/master/examples/features/gracefulstop
// https://pkg.go.dev/google.golang.org/grpc/health#Server.Shutdown
package main

import (
	"context"
	"log"
	"net"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/seguehq/segue/test/frameworks/apps/go/paths"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ln, err := net.Listen("tcp", paths.Addr())
	if err != nil {
		log.Fatal(err)
	}
	s, well := grpc.NewServer(), health.NewServer()
	healthpb.RegisterHealthServer(s, well)
	s.RegisterService(&app, struct{}{})

	go func() {
		<-ctx.Done()
		well.Shutdown()
		timer := time.AfterFunc(10*time.Second, s.Stop) // a client may hold its stream for ever
		defer timer.Stop()
		s.GracefulStop()
	}()
	if err := s.Serve(ln); err != nil {
		log.Fatal(err)
	}
}

// app has a unary call that takes its time and a stream of the server, with
// messages that need not be generated.
var app = grpc.ServiceDesc{
	ServiceName: "frameworks.App",
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Slow", Handler: slow}},
	Streams:     []grpc.StreamDesc{{StreamName: "Stream", ServerStreams: true, Handler: stream}},
}

func slow(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	wait := new(durationpb.Duration)
	if err := decode(wait); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(wait.AsDuration()):
		return wrapperspb.String("slow"), nil
	}
}

func stream(_ any, s grpc.ServerStream) error {
	wait := new(durationpb.Duration)
	if err := s.RecvMsg(wait); err != nil {
		return err
	}
	for end := time.Now().Add(wait.AsDuration()); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := s.SendMsg(wrapperspb.String("line")); err != nil {
			return err
		}
	}
	return s.SendMsg(wrapperspb.String("end"))
}
