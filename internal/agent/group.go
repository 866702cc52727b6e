package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

// This file is about socket.per_instance: the instances of a service each have
// a listening socket on the same address (SO_REUSEPORT, socket(7)), among which
// the kernel distributes connections. It makes them a group.
//
// A socket of a group has a queue of its own. When the last copy of it is closed,
// the kernel gives that queue to the others of the group, if net.ipv4.tcp_migrate_req
// says so, and resets it otherwise. Therefore nobody but the instance keeps a
// copy once it serves: what it leaves behind when it stops, or is killed, is
// taken on by the others at once.
//
// A socket must listen before the program has it, and gets its share from then
// on. So that connections do not wait for a program to start, a filter (BPF)
// chooses among the first so many of the group, in the order in which they
// began to listen. Where one leaves, the kernel puts the last in its place: with
// several that start at a time, one of them can then get its share early.

const migrateFile = "/proc/sys/net/ipv4/tcp_migrate_req"

// canMigrate refuses a machine where a socket's queue would be lost with it.
func canMigrate() error {
	data, err := os.ReadFile(migrateFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return control.Errorf(control.CodeInvalid, "socket.per_instance needs Linux 5.14 or later, which passes the queue of a closed socket on; take it out")
	case err != nil:
		return fmt.Errorf("socket.per_instance: %w", err)
	case strings.TrimSpace(string(data)) == "0":
		return control.Errorf(control.CodeInvalid, "socket.per_instance: this machine drops what waits in the queue of a socket that is closed; "+
			"say `sysctl -w net.ipv4.tcp_migrate_req=1` (for good: in /etc/sysctl.d), or take socket.per_instance out")
	}
	return nil
}

// openMember opens one more socket on an address, outside the poller.
func openMember(key string) (*os.File, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		cerr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		return errors.Join(cerr, err)
	}}
	return listenWith(lc, key)
}

// choose makes the kernel choose among the first live sockets of the group that
// f is one of; with 0, among all.
func choose(f *os.File, live int) error {
	return withFD(f, func(fd uintptr) error {
		if live == 0 {
			err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DETACH_REUSEPORT_BPF, 0)
			if errors.Is(err, unix.ENOENT) {
				return nil // there was no filter
			}
			return err
		}
		const random = 0xfffff000 + 56 // SKF_AD_OFF + SKF_AD_RANDOM
		filter := []unix.SockFilter{
			{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: random},
			{Code: unix.BPF_ALU | unix.BPF_MOD | unix.BPF_K, K: uint32(live)},
			{Code: unix.BPF_RET | unix.BPF_A},
		}
		return unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
			&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	})
}

// members opens an instance's sockets, to be chosen from no earlier than it
// serves.
func (s *service) members(listen []string) (files []*os.File, err error) {
	defer func() {
		if err != nil {
			closeAll(files)
			files = nil
		}
	}()
	if err := canMigrate(); err != nil {
		return nil, err
	}
	live, _ := s.countServing()
	for _, key := range listen {
		f, err := openMember(key)
		if err != nil {
			return files, err
		}
		files = append(files, f)
		if err := choose(f, live); err != nil {
			return files, fmt.Errorf("listen on %s: choose among instances: %w", key, err)
		}
	}
	return files, nil
}

// include lets an instance that serves now be chosen, and leaves its sockets to
// it alone. The sockets of one that an earlier agent has started are had back
// from it for that; where the kernel does not allow it, it is chosen less often
// until the next one starts.
func (s *service) include(i deploy.Instance, x *proc) error {
	if spec := s.spec(i.Release); !spec.Socket.PerInstance {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.members == nil {
		var err error
		if x.members, err = x.Listeners(); err != nil {
			s.log.Warn("have an instance's listening sockets back", "instance", i.ID, "error", err)
		}
	}
	live, _ := s.countServing()
	var errs []error
	for _, f := range x.members {
		errs = append(errs, choose(f, live), f.Close())
	}
	x.members = nil
	return errors.Join(errs...)
}

// dropMembers closes our copies of the sockets of an instance that has ended.
func (x *proc) dropMembers() {
	x.mu.Lock()
	defer x.mu.Unlock()
	closeAll(x.members)
	x.members = nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// prepareGroup sees whether instances of a release can have sockets of their
// own here.
func prepareGroup(spec deploy.Service) error {
	if err := canMigrate(); err != nil {
		return err
	}
	for _, key := range spec.Listen {
		if err := bindable(key); err != nil {
			return err
		}
	}
	return nil
}

// bindable binds a socket to an address as openMember does, without listening:
// nobody is sent there.
func bindable(key string) error {
	at, err := net.ResolveTCPAddr("tcp", key)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", key, err)
	}
	family, sa := sockaddr(at)
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", key, err)
	}
	defer unix.Close(fd)
	err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	if err == nil {
		err = unix.Bind(fd, sa)
	}
	return explainListen(key, err)
}

func sockaddr(at *net.TCPAddr) (family int, sa unix.Sockaddr) {
	if ip := at.IP.To4(); ip != nil {
		return unix.AF_INET, &unix.SockaddrInet4{Port: at.Port, Addr: [4]byte(ip)}
	}
	to := &unix.SockaddrInet6{Port: at.Port}
	copy(to.Addr[:], at.IP)
	return unix.AF_INET6, to
}

// regroups refuses a release that has a socket for each instance where the one
// before has one for all, on the same address, or the other way about.
func (s *service) regroups(spec deploy.Service) error {
	for _, old := range s.playing() {
		for _, key := range old.Listen {
			if old.Socket.PerInstance != spec.Socket.PerInstance && slices.Contains(spec.Listen, key) {
				return control.Errorf(control.CodeInvalid, "release and running service differ in socket.per_instance on %s, and there cannot be both kinds of sockets; give the release another address, or take the service down first (`segue down %s`)", key, s.name)
			}
		}
	}
	return nil
}
