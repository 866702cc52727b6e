// Command grpc is a gRPC service by grpc-go: unary calls, streams of the server
// and streams both ways. With arguments it is its client.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	pb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// both is a stream both ways, of the health service's messages, so that none
// need be generated.
var both = grpc.StreamDesc{StreamName: "Both", ServerStreams: true, ClientStreams: true, Handler: func(_ any, s grpc.ServerStream) error {
	for {
		q := new(pb.HealthCheckRequest)
		err := s.RecvMsg(q)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = s.SendMsg(q)
		}
		if err != nil {
			return err
		}
	}
}}

func main() {
	run := serve
	if len(os.Args) > 1 {
		run = func() error { return client(os.Args[1]) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve() error {
	ln, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	pb.RegisterHealthServer(s, health.NewServer())
	s.RegisterService(&grpc.ServiceDesc{ServiceName: "test.Echo", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{both}}, struct{}{})
	return s.Serve(ln)
}

// client uses addr in every way until its input ends. It prints a line for what
// it meets: "ok", "restart" for a stream that was ended with UNAVAILABLE, and
// "lost" for anything else. A unary call must never fail.
func client(addr string) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	for range 4 {
		go repeat(ctx, func() error { return watch(ctx, conn) })
		go repeat(ctx, func() error { return talk(ctx, conn) })
	}
	for n := 1; ctx.Err() == nil; n++ {
		if _, err := pb.NewHealthClient(conn).Check(ctx, &pb.HealthCheckRequest{}); err != nil && ctx.Err() == nil {
			fmt.Println("lost: unary:", err)
		} else if n%10 == 0 {
			fmt.Println("ok")
		}
		rest(ctx, 3*time.Millisecond)
	}
	return nil
}

// repeat opens a stream again whenever it has ended as it may.
func repeat(ctx context.Context, stream func() error) {
	for ctx.Err() == nil {
		err := stream()
		switch {
		case ctx.Err() != nil:
		case status.Code(err) == codes.Unavailable && strings.HasPrefix(strings.ToLower(status.Convert(err).Message()), "service restart"):
			fmt.Println("restart")
		default:
			fmt.Println("lost: stream:", err)
			rest(ctx, 100*time.Millisecond)
		}
	}
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// watch is a stream on which only the server speaks, and mostly does not.
func watch(ctx context.Context, conn *grpc.ClientConn) error {
	s, err := pb.NewHealthClient(conn).Watch(ctx, &pb.HealthCheckRequest{})
	for err == nil {
		_, err = s.Recv()
	}
	return err
}

// talk is a stream on which both speak.
func talk(ctx context.Context, conn *grpc.ClientConn) error {
	s, err := conn.NewStream(ctx, &both, "/test.Echo/Both")
	for n := 0; err == nil; n++ {
		q, back := &pb.HealthCheckRequest{Service: fmt.Sprint(n)}, new(pb.HealthCheckRequest)
		_ = s.SendMsg(q) // why it failed is for RecvMsg to say
		if err = s.RecvMsg(back); err == nil && back.Service != q.Service {
			return fmt.Errorf("%s came back as %s", q.Service, back.Service)
		}
		rest(ctx, 10*time.Millisecond)
	}
	return err
}
