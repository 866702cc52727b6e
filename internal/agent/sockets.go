package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// sockets holds the listening sockets of all services, by the address as the
// user wrote it. The proxy has copies; as long as one of the two lives, no
// connection is refused.
type sockets struct {
	log *slog.Logger

	mu     sync.Mutex
	files  map[string]*os.File
	spares []*os.File // inherited ones that nobody has asked for yet

	control *os.File // inherited, of the control API; nil: there is none, or it was taken
}

// controlName is what the control socket is called among those that an agent
// passes on to the next (LISTEN_FDNAMES).
const controlName = "segue-control"

func newSockets(log *slog.Logger) *sockets {
	return &sockets{log: log, files: map[string]*os.File{}}
}

// inherit takes the sockets that systemd, or the agent before this one, has
// passed on (sd_listen_fds(3)).
func (s *sockets) inherit() {
	pid, _ := strconv.Atoi(os.Getenv("LISTEN_PID"))
	n, _ := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	if pid != os.Getpid() {
		return
	}
	for fd := 3; fd < 3+n; fd++ {
		unix.CloseOnExec(fd)
		f := os.NewFile(uintptr(fd), "inherited "+strconv.Itoa(fd))
		if fd-3 < len(names) && names[fd-3] == controlName && s.control == nil {
			s.control = f
			continue
		}
		s.spares = append(s.spares, s.park(f))
	}
}

// takeControl returns the inherited control socket, nil if there is none.
func (s *sockets) takeControl() *net.UnixListener {
	f := s.control
	if f == nil {
		return nil
	}
	s.control = nil
	defer f.Close() // the listener has a copy
	l, err := net.FileListener(f)
	if err != nil {
		s.log.Warn("take the control socket over", "error", err)
		return nil
	}
	u, ok := l.(*net.UnixListener)
	if !ok {
		l.Close()
		return nil
	}
	return u
}

// adopt takes sockets that a proxy has given back; those that are here already
// are closed.
func (s *sockets) adopt(files map[string]*os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, f := range files {
		if s.files[key] != nil {
			f.Close()
			continue
		}
		s.files[key] = s.park(f)
	}
}

// find takes those of the given listening sockets that are missing, and closes
// the others.
func (s *sockets) find(missing []string, found []*os.File) {
	for _, f := range found {
		key := slices.IndexFunc(missing, func(key string) bool { return bound(f, key) })
		if key < 0 {
			f.Close()
			continue
		}
		s.adopt(map[string]*os.File{missing[key]: f})
	}
}

// missing returns those of the given addresses that are not open.
func (s *sockets) missing(keys []string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return s.files[key] != nil })
}

// park returns the file of a socket that is kept for others: it is not in this
// process' poller, which would be woken by each connection that others accept.
// The one given is closed, or returned if that cannot be had.
func (s *sockets) park(f *os.File) *os.File {
	parked, err := parked(f)
	if err != nil {
		s.log.Warn("keep a listening socket out of the poller", "error", err)
		return f
	}
	f.Close()
	return parked
}

// parked is a copy of a file outside the poller. os.NewFile would put a
// descriptor there that does not block, and a listening socket's mode is not
// ours to change; so the descriptor is first one of a file that blocks.
func parked(f *os.File) (*os.File, error) {
	fd, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	out := os.NewFile(uintptr(fd), f.Name())
	err = withFD(f, func(from uintptr) error { return unix.Dup3(int(from), fd, unix.O_CLOEXEC) })
	if err != nil {
		out.Close()
		return nil, err
	}
	return out, nil
}

// ensure opens the sockets of the given addresses that are not open yet, and
// returns the new ones. When one cannot be opened, none is.
func (s *sockets) ensure(keys []string) (map[string]*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	made := map[string]*os.File{}
	for _, key := range keys {
		if s.files[key] != nil || made[key] != nil {
			continue
		}
		f, err := s.open(key)
		if err != nil {
			for _, f := range made {
				f.Close()
			}
			return nil, err
		}
		made[key] = f
	}
	maps.Copy(s.files, made)
	return made, nil
}

func (s *sockets) open(key string) (*os.File, error) {
	for n, f := range s.spares {
		if f != nil && bound(f, key) {
			s.spares[n] = nil
			return f, nil
		}
	}
	return listenWith(net.ListenConfig{}, key)
}

// listenWith opens a socket that stays out of the poller; plain TCP, since it is
// passed on to programs that expect no other.
func listenWith(lc net.ListenConfig, key string) (*os.File, error) {
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp", key)
	if err != nil {
		return nil, explainListen(key, err)
	}
	defer l.Close() // File is a copy of its own
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", key, err)
	}
	defer f.Close()
	return parked(f)
}

func explainListen(key string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen on %s: the port is taken by another program; `ss -ltnp` tells by which", key)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen on %s: not permitted; ports below 1024 need root, the capability CAP_NET_BIND_SERVICE, or a socket from systemd (`segue install`)", key)
	case err != nil:
		return fmt.Errorf("listen on %s: %w", key, err)
	}
	return nil
}

// bound reports whether a socket listens where key says.
func bound(f *os.File, key string) bool {
	l, err := net.FileListener(f)
	if err != nil {
		return false
	}
	defer l.Close()
	at, ok := l.Addr().(*net.TCPAddr)
	want, err := net.ResolveTCPAddr("tcp", key)
	return ok && err == nil && at.Port == want.Port && (at.IP.Equal(want.IP) || at.IP.IsUnspecified() && (want.IP == nil || want.IP.IsUnspecified()))
}

// release closes every socket that keep does not name, and returns their keys.
func (s *sockets) release(keep map[string]bool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var gone []string
	for key, f := range s.files {
		if !keep[key] {
			f.Close()
			delete(s.files, key)
			gone = append(gone, key)
		}
	}
	return gone
}

// all returns the open sockets; they stay ours.
func (s *sockets) all() map[string]*os.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.files)
}

// forget closes our copies; what the proxy has stays open.
func (s *sockets) forget() { s.release(nil) }

// pick returns the open sockets of the given addresses; they stay ours.
func (s *sockets) pick(keys []string) map[string]*os.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]*os.File{}
	for _, key := range keys {
		if f := s.files[key]; f != nil {
			out[key] = f
		}
	}
	return out
}

// passOn puts the sockets where the program finds them that this process is
// about to exec itself into, and returns the environment that tells it so
// (sd_listen_fds(3)). control may be nil. It overwrites descriptors: nothing but
// exec may follow.
func (s *sockets) passOn(control *os.File) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	files := slices.Collect(maps.Values(s.files))
	names := slices.Repeat([]string{"service"}, len(files))
	if control != nil {
		files, names = append(files, control), append(names, controlName)
	}
	var high []int // copies out of the way of where they are to be
	for _, f := range files {
		err := withFD(f, func(fd uintptr) error {
			up, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 1024)
			high = append(high, up)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("pass on the listening sockets: %w", err)
		}
	}
	for n, fd := range high {
		if err := unix.Dup3(fd, 3+n, 0); err != nil { // without CLOEXEC: it is to survive exec
			return nil, fmt.Errorf("pass on the listening sockets: %w", err)
		}
	}
	return []string{fmt.Sprint("LISTEN_PID=", os.Getpid()), fmt.Sprint("LISTEN_FDS=", len(high)), "LISTEN_FDNAMES=" + strings.Join(names, ":")}, nil
}

// withFD calls fn with a file's descriptor and leaves its mode alone: Fd would
// make it blocking, and with it the proxy's copy.
func withFD(f *os.File, fn func(fd uintptr) error) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if cerr := c.Control(func(fd uintptr) { err = fn(fd) }); cerr != nil {
		return cerr
	}
	return err
}
