//go:build kubernetes

package kubernetes_test

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/seguehq/segue/test/harness"
	"github.com/seguehq/segue/test/kubernetes/kubelab"
)

// TestGRPC replaces a gRPC service in the middle of calls, short ones and long
// ones, as the iterations do with HTTP.
func TestGRPC(t *testing.T) {
	t.Run("that ends at once", func(t *testing.T) {
		t.Parallel()
		if sent, lost := replaceGRPC(t, "exit"); lost == 0 {
			t.Errorf("of %d calls none was lost: these tests prove nothing", sent)
		}
	})
	t.Run("with Segue", func(t *testing.T) {
		t.Parallel()
		w := newGRPCWorld(t)
		w.render(w.grpcService())
		if sent, lost := w.replaceUnderCalls(); lost > 0 {
			t.Errorf("%d of %d calls were lost", lost, sent)
		}
	})
}

// TestGRPCGracefulStop tells what is lost without a pre-stop sleep. That something
// is, is likely and no more: a client has to be sent to a pod that has just left.
func TestGRPCGracefulStop(t *testing.T) {
	if !*measure {
		t.Skip("-measure asks for it")
	}
	replaceGRPC(t, "graceful")
}

// replaceGRPC has no pre-stop sleep.
func replaceGRPC(t *testing.T, stop string) (sent, lost int) {
	t.Helper()
	w := newGRPCWorld(t)
	w.Apply(iteration{stop: stop}.manifest(w.image, "grpc: {port: 8080}"))
	return w.replaceUnderCalls()
}

// newGRPCWorld is one for test/foreign/calls.
func newGRPCWorld(t *testing.T) *world {
	t.Helper()
	w := kubelab.New(t)
	return &world{w, w.Image("calls", map[string]string{"app": calls(t)})}
}

// calls is the program that is both service and client.
func calls(t testing.TB) (file string) {
	kubelab.Outside(t, func() { file = harness.StaticForeign(t, "./calls") })
	return file
}

// grpcService is one that is asked nothing, so that its readiness is that it
// accepts connections.
func (w *world) grpcService() string {
	return fmt.Sprintf(`
service: answering
listen: 0.0.0.0:8080
release: { files: [segue.yaml], command: /app }
replicas: 5
proxy: { protocol: h2c }
env: { STOP: lifecycle }
engine: kubernetes
kubernetes: { image: %q, requests: { cpu: 0.1 } }
`, w.image)
}

// replaceUnderCalls is what iteration.replace is for HTTP.
func (w *world) replaceUnderCalls() (sent, lost int) {
	w.T.Helper()
	w.settled(5)
	c := w.call()
	c.until(due / 3)
	w.restart()
	c.until(due)
	return c.end()
}

// calling is a gRPC client that is making calls.
type calling struct {
	t     testing.TB
	stdin io.Closer
	lines *bufio.Scanner
	sent  int
	lost  int
	told  int // of the lost ones
}

// call begins to make calls at the demo's rate, from a node.
func (w *world) call() *calling {
	w.T.Helper()
	cmd := exec.Command("nsenter", "--net="+w.Lab.Network("kn1"), calls(w.T), w.Address("answering"), fmt.Sprint(rate))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		w.T.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		w.T.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			w.T.Errorf("the gRPC client: %v", err)
		}
	})
	return &calling{t: w.T, stdin: stdin, lines: bufio.NewScanner(stdout)}
}

// until waits until so many calls have been made in all.
func (c *calling) until(n int) {
	c.t.Helper()
	for c.sent < n && c.line() {
	}
	if c.sent < n {
		c.t.Fatalf("the gRPC client has ended after %d of %d calls", c.sent, n)
	}
}

// end ends the calls and says how many there were.
func (c *calling) end() (sent, lost int) {
	c.t.Helper()
	c.stdin.Close()
	for c.line() {
	}
	c.t.Logf("%d calls, %d lost", c.sent, c.lost)
	return c.sent, c.lost
}

// line reads one of the client's; the last one has both numbers.
func (c *calling) line() bool {
	if !c.lines.Scan() {
		return false
	}
	line := c.lines.Text()
	if _, err := fmt.Sscanf(line, "sent %d lost %d", &c.sent, &c.lost); err != nil && strings.HasPrefix(line, "lost: ") && c.told < 5 {
		c.told++
		c.t.Log(line)
	}
	return true
}
