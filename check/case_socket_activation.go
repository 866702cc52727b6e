package check

import (
	"context"
	"net"
	"os"
	"sync"
	"time"
)

func socketActivation() Case {
	return Case{
		Name:  "socket-activation",
		Title: "The server accepts on a listening socket that it inherits, so that one can follow the other without a gap.",
		Rests: "sd_listen_fds(3), systemd.socket(5)",
		needs: needsCommand,
		run:   runSocketActivation,
		bare:  true,
	}
}

const (
	outcomeActivated    Outcome = "accepts on it"
	outcomeNotSupported Outcome = "not supported"
)

// activates is how long a server that has answered where it was told to listen
// may take to answer on the inherited socket as well.
const activates = 500 * time.Millisecond

// runSocketActivation starts the server with a socket on one port, tells it
// another, and sees where it answers. Not to have the feature is no failure.
func runSocketActivation(ctx context.Context, p *place) (Result, error) {
	own, inherited, err := p.beginActivated()
	if err != nil {
		return Result{}, err
	}
	defer own.end()
	ctx, cancel := context.WithTimeout(ctx, p.target.start())
	defer cancel()
	began := time.Now()
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	ownAnswer, answer := ask(ctx, &asking, own), ask(ctx, &asking, inherited)
	select {
	case err = <-answer:
	case err = <-ownAnswer:
		if err == nil { // does it answer on both?
			select {
			case err = <-answer:
			case <-time.After(activates):
				return notSupported("it listens by itself")
			}
		}
	}
	if err != nil {
		return notSupported("%v", err)
	}
	return pass(outcomeActivated, "answered on a socket that it had inherited, %v after its start", Duration(time.Since(began)))
}

func ask(ctx context.Context, asking *sync.WaitGroup, s *server) <-chan error {
	answer := make(chan error, 1)
	asking.Go(func() { answer <- s.await(ctx) })
	return answer
}

func notSupported(why string, args ...any) (Result, error) {
	return verdict(Skip, outcomeNotSupported, "does not accept on a socket that it inherits (LISTEN_FDS): "+why, args)
}

// beginActivated starts the server with an inherited socket, and returns it as
// it can be asked on the port that it was told, and on that socket.
func (s *Stage) beginActivated() (own, inherited *server, err error) {
	l, err := net.Listen("tcp", net.JoinHostPort(s.survey.base.Hostname(), "0"))
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		return nil, nil, err
	}
	defer socket.Close() // the server alone holds it from now on
	t := s.target
	// Nobody can know the process ID before there is one.
	t.Command = append([]string{"/bin/sh", "-c", `export LISTEN_PID=$$; exec "$@"`, "sh"}, t.Command...)
	own, err = beginWith(t, 0, []*os.File{socket}, []string{"LISTEN_FDS=1", "LISTEN_FDNAMES=check.socket"})
	if err != nil {
		return nil, nil, err
	}
	if !s.survey.Moves {
		own.base.Host = s.survey.base.Host
	}
	own.fixed = true
	there, at := *own, *own.base
	at.Host = l.Addr().String()
	there.base = &at
	return own, &there, nil
}
