package check

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
)

// A port is kept for one server from others that are checked at the same time,
// here or in another process, by an abstract Unix socket of its number: like
// ports, those belong to the network namespace, and end with who holds them.
type port struct {
	number int
	held   net.Listener
}

func (p *port) release() {
	if p != nil {
		p.held.Close()
	}
}

// freePort picks one below the range from which the kernel takes ports for
// outgoing connections, so that none of ours takes it before the server does.
func freePort() (*port, error) {
	for range 200 {
		number := 10000 + rand.IntN(20000)
		held, err := net.Listen("unix", fmt.Sprintf("@segue-check-port-%d", number))
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", number))
		if err != nil {
			held.Close()
			continue
		}
		l.Close()
		return &port{number, held}, nil
	}
	return nil, errors.New("check: no free port found between 10000 and 30000")
}

func portOf(u *url.URL) int {
	var port int
	_, _ = fmt.Sscan(u.Port(), &port)
	return port
}
