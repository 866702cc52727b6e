package lifecycletest

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/drill"
)

// replacements is how often ReplacesItself has the service replaced.
const replacements = 3

// ReplacesItself starts the service, and has it replace itself by SIGUSR2, three
// times, under requests as the plan has them. It asserts that each new process
// takes over, that each old one ends well, and that no request is lost. It
// returns what the drill has found.
//
// In the plan's URL {port} stands for the port that the service is told; "" is
// http://127.0.0.1:{port}/. Take requests that must not be sent twice, such as
// POSTs: what is merely repeated is no test of them. For the rest see [StopsWell].
func ReplacesItself(t *testing.T, serve func(context.Context) error, plan drill.Plan) *drill.Result {
	t.Helper()
	s := start(t, self(t, serve))
	plan.URL = strings.ReplaceAll(cmp.Or(plan.URL, "http://127.0.0.1:{port}/"), "{port}", strconv.Itoa(s.port))
	plan.Targets = slices.Clone(plan.Targets)
	for i := range plan.Targets {
		plan.Targets[i].URL = strings.ReplaceAll(plan.Targets[i].URL, "{port}", strconv.Itoa(s.port))
	}
	r, err := drill.Around(t.Context(), plan, around, around, func(_ context.Context, mark func(string)) error {
		for i := range replacements {
			mark(fmt.Sprint("replacement ", i+1))
			if err := s.replace(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, s.output())
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if v := r.Verdict(); !v.Pass {
		t.Errorf("%d of %d requests were lost: %v", r.Lost, r.Sent, r.ByClass)
		for _, f := range r.Failures[:min(len(r.Failures), 10)] {
			t.Logf("%+v", f)
		}
	}
	if t.Failed() {
		t.Logf("the service wrote:\n%s", s.output())
	}
	return r
}

// around is how long requests go on before the first replacement, and after the
// last.
const around = 300 * time.Millisecond

// replace has the process that serves replaced, and returns when it has ended.
func (s *service) replace() error {
	old := s.pid
	if err := syscall.Kill(old, syscall.SIGUSR2); err != nil {
		return fmt.Errorf("signal process %d: %w", old, err)
	}
	pid, err := s.told(func(main int, _ bool) bool { return main != 0 && main != old })
	if err != nil {
		return fmt.Errorf("no new process took over from %d: %w", old, err)
	}
	s.pid = pid
	if err := s.gone(old); err != nil {
		return fmt.Errorf("the replaced process: %w", err)
	}
	return nil
}

// told reads what the service tells its manager until that is what is waited
// for, and returns the main process's number.
func (s *service) told(is func(main int, ready bool) bool) (int, error) {
	if err := s.notices.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	buf := make([]byte, 4<<10)
	for {
		n, err := s.notices.Read(buf)
		if err != nil {
			return 0, err
		}
		main, ready := 0, false
		for line := range strings.SplitSeq(string(buf[:n]), "\n") {
			if number, ok := strings.CutPrefix(line, "MAINPID="); ok {
				main, _ = strconv.Atoi(number) // 0 is not what anybody waits for
			}
			ready = ready || line == "READY=1"
		}
		if is(main, ready) {
			return main, nil
		}
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
