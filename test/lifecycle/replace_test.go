package lifecycle_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/test/harness"
)

// traffic are requests that nobody may send twice.
func (s *service) traffic() *drill.Drill {
	s.t.Helper()
	rate, connections := 200.0, 48
	switch soak := harness.Soak(); {
	case strings.HasPrefix(s.url, "https"):
		rate, connections = 60, 8 // handshakes are dear
	case soak:
		rate = 500
	}
	d, err := drill.New(drill.Plan{URL: s.url, Method: "POST", Body: []byte("an order"), Rate: rate, Connections: connections,
		TLS: &tls.Config{InsecureSkipVerify: true}, // its certificate is its own
		Mix: drill.Mix{Fresh: 0.3, KeptAlive: 0.5, HTTP2: 0.2}, Expect: drill.Expect{BodyContains: "well"}})
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// under runs f with traffic around it, of which nothing may be lost.
func (s *service) under(f func()) *drill.Result {
	s.t.Helper()
	d := s.traffic()
	result := make(chan *drill.Result, 1)
	go func() {
		r, err := d.Run(s.t.Context())
		if err != nil {
			s.t.Error(err)
		}
		result <- r
	}()
	s.await("traffic", func() bool { return d.Snapshot().OK > 50 })
	func() {
		defer d.Stop()
		f()
		now := d.Snapshot().OK
		s.await("traffic", func() bool { return d.Snapshot().OK > now+50 })
	}()
	r := <-result
	s.t.Logf("%d sent, %d lost, %d not sent; by %d processes", r.Sent, r.Lost, r.NotSent, len(r.Releases))
	for _, f := range r.Failures[:min(10, len(r.Failures))] {
		s.t.Errorf("%+v", f)
	}
	if r.Lost > 0 {
		s.t.Errorf("%d of %d requests were lost: %v", r.Lost, r.Sent, r.ByClass)
	}
	return r
}

// rounds is how often the service is replaced, and how long it rests between.
func rounds() (n int, rest time.Duration) {
	if harness.Soak() {
		return 60, 500 * time.Millisecond
	}
	return 5, 0
}

func TestReplacesItselfUnderLoadAndLosesNothing(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"well", "tls"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := startService(t, how)
			n, rest := rounds()
			r := s.under(func() {
				for range n {
					s.replace()
					time.Sleep(rest)
				}
			})
			if len(r.Releases) != n+1 {
				t.Errorf("%d processes have answered, want %d", len(r.Releases), n+1)
			}
		})
	}
}

func TestGRPCServerReplacesItselfUnderLoadAndLosesNoCall(t *testing.T) {
	t.Parallel()
	program := harness.Foreign(t, "./stopping")
	s := startProgram(t, program, "grpc")
	client := exec.CommandContext(t.Context(), program, s.addr)
	stdin, err := client.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	client.Stdout = &out
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	n, rest := rounds()
	for range n {
		s.replace()
		time.Sleep(rest)
	}
	_ = stdin.Close() // which has it end
	if err := client.Wait(); err != nil {
		t.Error(err)
	}
	if t.Log(out.String()); !strings.HasSuffix(out.String(), " lost 0\n") || strings.HasPrefix(out.String(), "answered 0 ") {
		t.Error("calls were lost, or none were made")
	}
}

// What lasts is told, and comes back to the new process.
func TestLongLivedConnectionsAreToldWhenTheProcessIsReplaced(t *testing.T) {
	t.Parallel()
	s := startService(t, "well")
	events := make(chan string, 1)
	go func() {
		got, err := s.ask("events")
		events <- fmt.Sprint(got[max(0, len(got)-12):], err)
	}()
	s.await("stream", func() bool { return s.get("busy") == "1" })
	s.replace()
	if got, want := <-events, "data: tick\n\n<nil>"; !strings.HasSuffix(got, want) {
		t.Errorf("the stream ended with %q, want %q", got, want)
	}
}

func TestSecondSignalHurriesAndThirdCuts(t *testing.T) {
	t.Parallel()
	s := startService(t, "stubborn")
	held := make(chan error, 1)
	go func() {
		_, err := s.ask("stuck")
		held <- err
	}()
	s.await("request", func() bool { return s.get("busy") == "1" })
	s.signal(syscall.SIGTERM)
	s.said(1, "INFO stopping")
	s.await("told again", func() bool {
		s.signal(syscall.SIGTERM)
		time.Sleep(50 * time.Millisecond)
		return strings.Contains(s.log.String(), "told again")
	})
	select {
	case err := <-held:
		t.Fatalf("the second signal has cut the request off: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	s.signal(syscall.SIGTERM)
	if code := s.gone(s.pid); code != 1 {
		t.Errorf("ended with %d, want 1: something was cut off", code)
	}
	s.pid = 0
	<-held
}
