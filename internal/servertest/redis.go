package servertest

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// Redis starts a Redis server of the test's own, which it may stop and start. It
// writes all it was told to its file before it answers: a kill loses nothing. env
// is added to its environment.
func Redis(t testing.TB, env ...string) *Server {
	t.Helper()
	k, err := redis()
	if err != nil {
		t.Fatal(err)
	}
	return own(t, k, func(string) error { return nil }, env...)
}

// RedisCluster starts a Redis server of the test's own that is a cluster of one
// node, once it has been given the slots (CLUSTER ADDSLOTSRANGE 0 16383).
func RedisCluster(t testing.TB) *Server {
	t.Helper()
	k, err := redis()
	if err != nil {
		t.Fatal(err)
	}
	alone := k.command
	k.command = func(s *Server) *exec.Cmd {
		cmd := alone(s)
		cmd.Args = append(cmd.Args, "--cluster-enabled", "yes", "--databases", "1")
		return cmd
	}
	return own(t, k, func(string) error { return nil })
}

// RedisURL is an empty database of a Redis server that the tests of the binary
// share.
func RedisURL(t testing.TB) string {
	t.Helper()
	s, err := sharedRedis()
	if err != nil {
		t.Fatal(err)
	}
	u := s.kind.url(s)
	u.Path = "/" + strconv.FormatInt(redisDatabases.Add(1), 10)
	return u.String()
}

// maxRedis is how many databases a server has: no binary has as many tests.
const maxRedis = 10000

var redisDatabases atomic.Int64 // that were given out

var sharedRedis = sync.OnceValues(func() (*Server, error) {
	k, err := redis()
	if err != nil {
		return nil, err
	}
	return share(k, func(string) error { return nil })
})

func redis() (kind, error) {
	path, err := find("redis-server", "/usr/bin", "install it: apt-get install redis-server (scripts/need redis-server)")
	if err != nil {
		return kind{}, err
	}
	return kind{
		name: "redis",
		command: func(s *Server) *exec.Cmd {
			cmd := exec.Command(path, "--bind", "127.0.0.1", "--port", strconv.Itoa(s.port), "--dir", s.dir,
				"--databases", strconv.Itoa(maxRedis), "--save", "", "--appendonly", "yes", "--appendfsync", "no",
				"--requirepass", secret, "--supervised", "systemd", "--enable-debug-command", "yes")
			cmd.SysProcAttr = &syscall.SysProcAttr{}
			return cmd
		},
		url: func(s *Server) *url.URL {
			return &url.URL{Scheme: "redis", User: url.UserPassword("default", secret), Host: s.Addr(), Path: "/0"}
		},
		stop:  syscall.SIGTERM,
		crash: syscall.SIGKILL,
	}, nil
}

// Forget removes what a Redis server that was stopped has kept: started again, it
// is one that does not persist.
func (s *Server) Forget(t testing.TB) {
	t.Helper()
	if s.running() || s.kind.name != "redis" {
		t.Fatal("servertest: only a Redis server that is stopped can forget")
	}
	if err := os.RemoveAll(filepath.Join(s.dir, "appendonlydir")); err != nil {
		t.Fatal(err)
	}
}
