package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A server is one that runs and answers.
type server struct {
	target Target
	base   *url.URL
	proc   *process // nil if it is somewhere else
	own    bool     // we have started it, and may kill it
	told   int      // the port that it was told
	// persists is set once it is known that the server keeps connections open: an
	// answer that ends one comes from a server that is on its way out.
	persists bool
	fixed    bool  // base is right, wherever it listens besides
	port     *port // kept for it; nil if it has none of ours
}

// up starts the server, or finds the one that runs, and waits until it answers.
// port is that on which it must listen, 0 for a free one; persists, that it is
// known to keep connections open.
func up(ctx context.Context, t Target, port int, persists bool) (*server, error) {
	s, err := begin(t, port)
	if err != nil {
		return nil, err
	}
	s.persists = persists
	ctx, cancel := context.WithTimeout(ctx, t.start())
	defer cancel()
	if err := s.await(ctx); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// begin makes a server that need not answer yet.
func begin(t Target, port int) (*server, error) { return beginWith(t, port, nil, nil) }

// beginWith gives it files, from descriptor 3 on, and environment besides.
func beginWith(t Target, port int, extra []*os.File, env []string) (*server, error) {
	s := &server{target: t, own: len(t.Command) > 0}
	var err error
	if port == 0 && s.own {
		if s.port, err = freePort(); err != nil {
			return nil, err
		}
		port = s.port.number
	}
	if s.base, err = t.at(port); err != nil {
		s.port.release()
		return nil, err
	}
	switch {
	case s.own:
		s.proc, err = launch(t, port, extra, env)
	case t.PID != 0:
		s.proc, err = adopt(t.PID)
	}
	if err != nil {
		s.port.release()
		return nil, err
	}
	s.told = port
	return s, nil
}

// end kills what we have started, with all that came of it. Nothing else is
// killed: a target that was there before us belongs to somebody.
func (s *server) end() {
	switch {
	case s.own:
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		s.proc.kill(ctx)
		s.port.release()
	case s.proc != nil:
		s.proc.release()
	}
}

// await returns once the server has answered a request.
func (s *server) await(ctx context.Context) error { return s.until(ctx, s.ask, 20*time.Millisecond) }

// betweenLooks is how often the processes are asked where they listen, which is
// dear.
const betweenLooks = 100 * time.Millisecond

// until asks the question until there is no error, the server has exited, or ctx
// is done.
func (s *server) until(ctx context.Context, question func(context.Context) error, every time.Duration) error {
	last, located := errors.New("nothing was tried"), time.Now()
	for ctx.Err() == nil {
		if s.proc != nil {
			select {
			case <-s.proc.exited:
				return s.fault(fmt.Errorf("it %s before it answered a request", s.proc.exit))
			default:
			}
		}
		if last = question(ctx); last == nil {
			return nil
		}
		if s.proc != nil && time.Since(located) > betweenLooks {
			if err := s.locate(); err != nil {
				return s.fault(err)
			}
			located = time.Now()
		}
		pause(ctx, every)
	}
	return s.fault(fmt.Errorf("no answer within %v: %w", s.target.start(), last))
}

// locate corrects the address if the server listens elsewhere than it was told,
// and no URL said otherwise.
func (s *server) locate() error {
	if s.target.URL != "" || s.fixed {
		return nil
	}
	held := listeners(s.proc.pids())
	if len(held) == 0 || held[portOf(s.base)] != nil {
		return nil
	}
	var ports []int
	for port := range held {
		ports = append(ports, port)
	}
	slices.Sort(ports)
	if len(ports) > 1 {
		return fmt.Errorf("it listens on the ports %v, and on none that it was told by $PORT; say by --url which one is meant", ports)
	}
	s.base.Host = net.JoinHostPort(s.base.Hostname(), fmt.Sprint(ports[0]))
	return nil
}

// ask sends one request on a connection of its own.
func (s *server) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	path := s.target.Paths.Ready
	if path == "" {
		path = s.base.RequestURI()
	}
	deadline, _ := ctx.Deadline()
	a, err := once(ctx, s, path, deadline)
	if a.ending != whole && !unreached(err) {
		if b, e := once2(ctx, s, path, deadline); e == nil { // it may speak nothing else
			a, err = b, nil
		}
	}
	if err != nil {
		return err
	}
	if a.ending != whole {
		return fmt.Errorf("GET %s: %s", path, a.ending)
	}
	if s.persists && a.close {
		return fmt.Errorf("GET %s: answered with Connection: close, by the server that was to stop", path)
	}
	if s.target.Paths.Ready != "" && a.status/100 != 2 {
		return fmt.Errorf("GET %s: answered %d, it is not ready", path, a.status)
	}
	return nil
}

// unreached reports whether an error is that of a connection that was not made.
func unreached(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// fault says what went wrong at the start, with the server's own last words.
func (s *server) fault(err error) error {
	what := s.base.Redacted()
	words := ""
	if s.own {
		what = strings.Join(s.target.Command, " ")
		if last := s.proc.output.last(10); last != "" {
			words = "\nits last words:\n" + last
		}
	}
	return fmt.Errorf("check: %s: %w%s", what, err, words)
}

// stop sends the stop signal, to the first process alone, as Kubernetes, Docker
// and systemd's KillMode=mixed do. Or it begins the command that stops it: many
// such commands return only when the server has gone, and the clients have to act
// before. over waits for the command's end.
func (s *server) stop(ctx context.Context) (over func() error, err error) {
	if len(s.target.Stop) == 0 {
		return func() error { return nil }, s.signal(s.target.signal())
	}
	ctx, cancel := context.WithTimeout(ctx, s.target.grace()+s.target.start())
	var out tail
	cmd := exec.CommandContext(ctx, s.target.Stop[0], s.target.Stop[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second // what it has left behind may hold its output
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("check: stop by %s: %w", strings.Join(s.target.Stop, " "), err)
	}
	return func() error {
		defer cancel()
		if err := cmd.Wait(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
			return fmt.Errorf("check: stop by %s: %w: %s", strings.Join(s.target.Stop, " "), err, out.last(10))
		}
		return nil
	}, nil
}

func (s *server) signal(sig syscall.Signal) error {
	select {
	case <-s.proc.exited:
		return fmt.Errorf("check: the server %s before it was stopped", s.proc.exit)
	default:
	}
	if err := syscall.Kill(s.proc.pid, sig); err != nil {
		return fmt.Errorf("check: signal process %d: %w", s.proc.pid, err)
	}
	return nil
}

// listens asks whether a connection can be opened.
func (s *server) listens(ctx context.Context) error {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.base.Host)
	if err != nil {
		return err
	}
	return c.Close()
}
