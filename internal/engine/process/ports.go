package process

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
)

// Ports gives out loopback ports for instances to listen on. They lie outside
// the range from which the kernel takes ports for outgoing connections: none of
// those can take a port between its being picked and its being listened on, nor
// connect to itself. The zero value is ready and may be used concurrently.
type Ports struct {
	// Low and High bound the choice, both included; 0 means 10000 and 65535.
	Low, High int

	mu   sync.Mutex
	next int         // where to go on, so that a port rests for a whole round
	held map[int]int // descriptors by port, see hold
}

// Pick chooses a port that taken does not know, which nobody has bound now, and
// which was not picked lately: every other free port comes first. It is not
// kept bound: the instance is to bind it. No agent on this machine picks it
// again until Release.
func (p *Ports) Pick(taken func(port int) bool) (int, error) {
	low, high, err := ephemeral()
	if err != nil {
		return 0, err
	}
	return p.pick(low, high, taken)
}

func (p *Ports) pick(ephLow, ephHigh int, taken func(int) bool) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	low, high := p.Low, p.High
	if low == 0 {
		low = 10000
	}
	if high == 0 {
		high = 65535
	}
	for range 100 { // two agents on a machine should not begin with the same one
		if p.next != 0 && (p.next < ephLow || p.next > ephHigh) {
			break
		}
		p.next = low + rand.IntN(max(high-low+1, 1))
	}
	for range max(high-low+1, 0) {
		port := p.next
		if p.next++; p.next > high || p.next < low {
			p.next = low
		}
		if port < low || port > high || port >= ephLow && port <= ephHigh || taken(port) {
			continue
		}
		if bindable(port) && p.hold(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port from %d to %d outside the kernel's own range %d-%d; narrow that (sysctl net.ipv4.ip_local_port_range=\"32768 60999\") or stop what holds the ports", low, high, ephLow, ephHigh)
}

// Hold keeps the port of an adopted instance from other agents.
func (p *Ports) Hold(port int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold(port)
}

// Release gives a port back when its instance has ended.
func (p *Ports) Release(port int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if fd, ok := p.held[port]; ok {
		syscall.Close(fd)
		delete(p.held, port)
	}
}

// hold binds a name for the port in the abstract namespace of Unix sockets
// (unix(7)), which all agents of this network namespace share and which dies
// with its holder. Between a port's being picked and the instance's listening
// on it, another agent would otherwise find it free.
func (p *Ports) hold(port int) bool {
	if _, ok := p.held[port]; ok || port == 0 {
		return false
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: fmt.Sprintf("@segue-port-%d", port)}); err != nil {
		syscall.Close(fd)
		return false
	}
	if p.held == nil {
		p.held = map[int]int{}
	}
	p.held[port] = fd
	return true
}

// ephemeral reads the range of the kernel's choice for outgoing connections.
func ephemeral() (low, high int, err error) {
	const file = "/proc/sys/net/ipv4/ip_local_port_range"
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, 0, err
	}
	if _, err := fmt.Fscan(strings.NewReader(string(b)), &low, &high); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", file, err)
	}
	return low, high, nil
}

// bindable reports whether a program may listen on the port at any address. It
// binds without SO_REUSEADDR, so that a port with connections in TIME_WAIT is
// left to rest too, and without listening, so that nobody connects to us.
func bindable(port int) bool {
	for _, at := range []syscall.Sockaddr{
		&syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}},
		&syscall.SockaddrInet4{Port: port},
		&syscall.SockaddrInet6{Port: port},
	} {
		family := syscall.AF_INET
		_, six := at.(*syscall.SockaddrInet6)
		if six {
			family = syscall.AF_INET6
		}
		fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if six && errors.Is(err, syscall.EAFNOSUPPORT) {
			continue
		}
		if err != nil {
			return false
		}
		err = syscall.Bind(fd, at)
		syscall.Close(fd)
		if err != nil && !(six && errors.Is(err, syscall.EADDRNOTAVAIL)) {
			return false
		}
	}
	return true
}
