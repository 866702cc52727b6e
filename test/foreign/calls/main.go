// Command calls is a gRPC service for the tests of a cluster, by grpc-go. It
// stops as STOP says: exit (at once), graceful (GracefulStop at once, as most
// do), or lifecycle. With an address and a rate as its arguments it is a client.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	pb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/seguehq/segue/lifecycle"
)

func main() {
	run := serve
	if len(os.Args) > 2 {
		run = func() error { return client(os.Args[1], os.Args[2]) }
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func serve() error {
	healthy := health.NewServer()
	server := grpc.NewServer()
	pb.RegisterHealthServer(server, healthy)
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "test.Slow", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{MethodName: "Wait", Handler: wait}}}, struct{}{})
	switch how := os.Getenv("STOP"); how {
	case "exit", "graceful":
		return plain(server, how == "graceful")
	case "lifecycle":
		return lifecycle.Run(context.Background(), lifecycle.GRPC(server, "", lifecycle.WithHealth(func(serving bool) {
			if serving {
				healthy.Resume()
			} else {
				healthy.Shutdown()
			}
		})))
	default:
		return fmt.Errorf("STOP=%q: exit, graceful or lifecycle", how)
	}
}

func plain(server *grpc.Server, graceful bool) error {
	ln, err := net.Listen("tcp", ":"+os.Getenv("PORT"))
	if err != nil {
		return err
	}
	told, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		<-told.Done()
		if graceful {
			server.GracefulStop()
		} else {
			os.Exit(1)
		}
	}()
	return server.Serve(ln)
}

// wait answers after a fifth of a second, so that there are always calls in flight.
func wait(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	in := new(pb.HealthCheckRequest)
	if err := decode(in); err != nil {
		return nil, err
	}
	select {
	case <-time.After(200 * time.Millisecond):
	case <-ctx.Done():
	}
	return &pb.HealthCheckResponse{}, ctx.Err()
}

// channels are so many that pods have connections of more than one.
const channels = 8

// client makes calls at the rate, whatever becomes of the earlier ones, until its
// input ends, every second one a slow one. It prints "sent N" each second, what is
// lost, and at the end "sent N lost M".
func client(addr, rate string) error {
	perSecond, err := strconv.Atoi(rate)
	if err != nil || perSecond < 1 {
		return errors.Join(fmt.Errorf("rate %q: want calls in a second", rate), err)
	}
	conns := make([]*grpc.ClientConn, channels)
	for k := range conns {
		if conns[k], err = grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
			return err
		}
		defer conns[k].Close()
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	sent, lost := drive(conns, time.Second/time.Duration(perSecond), perSecond, over)
	fmt.Println("sent", sent, "lost", lost)
	return nil
}

func drive(conns []*grpc.ClientConn, every time.Duration, tell int, over <-chan struct{}) (sent int, lost int64) {
	var calling sync.WaitGroup
	var missing atomic.Int64
	for begun := time.Now(); ; {
		select {
		case <-time.After(time.Until(begun.Add(time.Duration(sent) * every))): // a ticker would leave out those for which it is late
			method := "/grpc.health.v1.Health/Check"
			if sent%2 == 0 {
				method = "/test.Slow/Wait"
			}
			conn := conns[sent/2%len(conns)]
			calling.Go(func() {
				if err := call(conn, method); err != nil {
					missing.Add(1)
					fmt.Println("lost:", method, err)
				}
			})
			if sent++; sent%tell == 0 {
				fmt.Println("sent", sent)
			}
		case <-over:
			calling.Wait()
			return sent, missing.Load()
		}
	}
}

func call(conn *grpc.ClientConn, method string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return conn.Invoke(ctx, method, &pb.HealthCheckRequest{}, &pb.HealthCheckResponse{})
}
