package kubelab

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/test/harness"
)

// Drill begins to send requests to a Service's address, from the control plane's
// network, where a kube-proxy is as on every node.
func (w *World) Drill(service string, rate float64, change ...func(*drill.Plan)) *harness.Drill {
	w.T.Helper()
	address := w.Address(service)
	to := func(p *drill.Plan) { p.URL = "http://" + address }
	change = append([]func(*drill.Plan){to}, change...)
	w.reached(address, change)
	return w.World.Drill(rate, change...)
}

// reached waits until the kube-proxy of the drill's node has learned of the
// Service: pods are ready a moment before that, and it is not what is drilled.
func (w *World) reached(address string, change []func(*drill.Plan)) {
	w.T.Helper()
	p := drill.Plan{Dial: new(net.Dialer).DialContext}
	for _, f := range change {
		f(&p)
	}
	ctx, cancel := context.WithTimeout(w.T.Context(), time.Minute)
	defer cancel()
	for {
		c, err := p.Dial(ctx, "tcp", address)
		if err == nil {
			c.Close()
			return
		}
		if ctx.Err() != nil {
			w.T.Fatalf("nobody answers at %s: %v", address, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// From has a drill's clients be on a node, "kn1" for instance, as far as the network is
// concerned.
func (w *World) From(node string) func(*drill.Plan) {
	return func(p *drill.Plan) { p.Dial = w.DialFrom(node) }
}

// DialFrom opens connections as a process on that node does: a socket stays in the
// network in which it was made, whoever uses it.
func (w *World) DialFrom(node string) func(ctx context.Context, network, address string) (net.Conn, error) {
	there := w.Lab.Network(node)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		runtime.LockOSThread() // and stays locked where the way back fails: the thread ends with its goroutine
		here, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return nil, err
		}
		defer here.Close()
		if err := join(there); err != nil {
			return nil, err
		}
		dialer := net.Dialer{KeepAlive: -1, Control: func(string, string, syscall.RawConn) error { return back(here) }}
		c, err := dialer.DialContext(ctx, network, address)
		if e := back(here); e != nil { // also where no socket was made
			return c, e
		}
		runtime.UnlockOSThread()
		return c, err
	}
}

func back(here *os.File) error {
	if err := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("return from a node's network: %w", err)
	}
	return nil
}
