package servertest

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// Postgres starts a PostgreSQL server of the test's own, which it may stop and
// start. Nothing is synced to disk: it survives its own crash, not the machine's.
// env is added to its environment.
func Postgres(t testing.TB, env ...string) *Server {
	t.Helper()
	p, err := postgres()
	if err != nil {
		t.Fatal(err)
	}
	return own(t, p.kind(), p.fill, env...)
}

// PostgresURL is an empty database of a PostgreSQL server that the tests of the
// binary share. It is dropped when the test ends.
func PostgresURL(t testing.TB) string {
	t.Helper()
	return database(t, sharedPostgres, (*Server).sql, " WITH (FORCE)")
}

var sharedPostgres = sync.OnceValues(func() (*Server, error) {
	p, err := postgres()
	if err != nil {
		return nil, err
	}
	return share(p.kind(), p.fill)
})

// postgresPrograms are the programs of one version, and whom they run as: not as
// root, which PostgreSQL refuses.
type postgresPrograms struct {
	bin      string
	as       *syscall.Credential // nil: who we are
	template string              // data as initdb makes them
}

var postgres = sync.OnceValues(func() (*postgresPrograms, error) {
	initdb, err := find("initdb", "/usr/lib/postgresql/*/bin", "install it: apt-get install postgresql-15 (scripts/need -- postgresql-15)")
	if err != nil {
		return nil, err
	}
	if initdb, err = filepath.EvalSymlinks(initdb); err != nil { // a link has no neighbours
		return nil, err
	}
	p := &postgresPrograms{bin: filepath.Dir(initdb)}
	if os.Getuid() == 0 {
		if p.as, err = credential("postgres"); err != nil {
			return nil, err
		}
	}
	dir, err := newDir("template")
	if err != nil {
		return nil, err
	}
	return p, p.init(dir)
})

func credential(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("servertest: PostgreSQL does not run as root, and there is no user %s: %w", name, err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

// own makes dir the folder of whom the server runs as.
func (p *postgresPrograms) own(dir string) error {
	if p.as == nil {
		return nil
	}
	return os.Chown(dir, int(p.as.Uid), int(p.as.Gid))
}

// run runs a command to its end, in dir and as whom the server runs as.
func (p *postgresPrograms) run(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGPASSWORD="+secret)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as}
	return run(cmd)
}

func (p *postgresPrograms) init(dir string) error {
	if err := p.own(dir); err != nil {
		return err
	}
	passwords := filepath.Join(dir, "password")
	if err := os.WriteFile(passwords, []byte(secret+"\n"), 0o644); err != nil {
		return err
	}
	p.template = filepath.Join(dir, "data")
	return p.run(dir, filepath.Join(p.bin, "initdb"), "-D", p.template, "--no-sync", "-U", "segue",
		"-A", "scram-sha-256", "--pwfile", passwords, "--encoding", "UTF8", "--locale", "C.UTF-8")
}

// fill gives a server's folder the data of the template.
func (p *postgresPrograms) fill(dir string) error {
	if err := p.own(dir); err != nil {
		return err
	}
	return p.run(dir, "cp", "-a", "--reflink=auto", p.template, filepath.Join(dir, "data"))
}

func (p *postgresPrograms) kind() kind {
	return kind{
		name: "postgres",
		command: func(s *Server) *exec.Cmd {
			cmd := exec.Command(filepath.Join(p.bin, "postgres"), "-D", filepath.Join(s.dir, "data"), "-p", strconv.Itoa(s.port),
				"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "full_page_writes=off",
				"-c", "max_connections=300", "-c", "shared_buffers=16MB")
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as}
			return cmd
		},
		url: func(s *Server) *url.URL {
			return &url.URL{Scheme: "postgres", User: url.UserPassword("segue", secret), Host: s.Addr(), Path: "/postgres", RawQuery: "sslmode=disable"}
		},
		stop: syscall.SIGINT, // its fast shutdown: clients are hung up on
		// Its immediate shutdown leaves what a crash leaves, and waits for its
		// children; after SIGKILL they would keep the next start from the data.
		crash: syscall.SIGQUIT,
	}
}

// sql runs a statement on a PostgreSQL server.
func (s *Server) sql(statement string) error {
	p, err := postgres()
	if err != nil {
		return err
	}
	return p.run(s.dir, filepath.Join(p.bin, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement, s.URL())
}
