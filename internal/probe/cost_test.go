package probe

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

const serveInstead = "SEGUE_TEST_SERVE"

// TestMain lets the test binary be the instance of another process, so that
// what the questions cost can be told from what the answers cost.
func TestMain(m *testing.M) {
	if os.Getenv(serveInstead) == "" {
		os.Exit(m.Run())
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") }))
	fmt.Println(srv.Listener.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent is gone
}

// BenchmarkWatch200 tells what share of a core is spent on asking 200 instances
// once a second.
func BenchmarkWatch200(b *testing.B) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveInstead+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { stdin.Close(); _ = cmd.Wait() }()
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	for name, p := range map[string]deploy.Probe{"http": {HTTP: "/", Every: time.Second}, "tcp": {TCP: true, Every: time.Second}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.ReportMetric(watchFor(5*time.Second, p, Target{Addr: strings.TrimSpace(addr)}), "%core")
			}
		})
	}
}

func watchFor(d time.Duration, p deploy.Probe, t Target) (percent float64) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	before := cpuTime()
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() { Watch(ctx, p, t, func(bool, error) {}) })
	}
	wg.Wait()
	return 100 * float64(cpuTime()-before) / float64(d)
}

func cpuTime() time.Duration {
	var use syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &use)
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
