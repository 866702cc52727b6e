package servertest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// MariaDB starts a MariaDB server of the test's own, which it may stop and start.
// What is committed survives a kill of the process, not one of the machine. env is
// added to its environment.
func MariaDB(t testing.TB, env ...string) *Server {
	t.Helper()
	m, err := mariadb()
	if err != nil {
		t.Fatal(err)
	}
	return own(t, m.kind(), m.fill, env...)
}

// MariaDBURL is an empty database of a MariaDB server that the tests of the binary
// share: mysql://user:password@host:port/database. It is dropped when the test ends.
func MariaDBURL(t testing.TB) string {
	t.Helper()
	return database(t, sharedMariaDB, (*Server).mariadb, "")
}

var sharedMariaDB = sync.OnceValues(func() (*Server, error) {
	m, err := mariadb()
	if err != nil {
		return nil, err
	}
	return share(m.kind(), m.fill)
})

// mariadbPrograms is the server's program and the data that each server begins with.
type mariadbPrograms struct {
	server   string
	template string
}

var mariadb = sync.OnceValues(func() (*mariadbPrograms, error) {
	const mend = "install it: apt-get install mariadb-server (scripts/need -- mariadb-server)"
	server, err := find("mariadbd", "/usr/sbin", mend)
	if err != nil {
		return nil, err
	}
	install, err := find("mariadb-install-db", "/usr/bin", mend)
	if err != nil {
		return nil, err
	}
	dir, err := newDir("template")
	if err != nil {
		return nil, err
	}
	m := &mariadbPrograms{server: server, template: filepath.Join(dir, "data")}
	// A server that starts removes what it takes for its own in the folder for
	// temporary files: another's, if both have the same.
	return m, command(install, append(m.as(), "--no-defaults", "--datadir="+m.template, "--tmpdir="+dir,
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", "--innodb-log-file-size=8M")...)
})

// as lets the server run as root, which it does only if told to.
func (m *mariadbPrograms) as() []string {
	if os.Getuid() != 0 {
		return nil
	}
	return []string{"--user=root"}
}

// fill gives a server's folder the data of the template, and the statements that
// it runs before it takes connections.
func (m *mariadbPrograms) fill(dir string) error {
	if err := command("cp", "-a", "--reflink=auto", m.template, filepath.Join(dir, "data")); err != nil {
		return err
	}
	account := "CREATE USER IF NOT EXISTS segue@'127.0.0.1' IDENTIFIED BY '" + secret + "';\n" +
		"GRANT ALL PRIVILEGES ON *.* TO segue@'127.0.0.1' WITH GRANT OPTION;\n"
	return os.WriteFile(filepath.Join(dir, "init.sql"), []byte(account), 0o600)
}

func (m *mariadbPrograms) kind() kind {
	return kind{
		name: "mariadb",
		command: func(s *Server) *exec.Cmd {
			cmd := exec.Command(m.server, "--no-defaults", "--datadir="+filepath.Join(s.dir, "data"), "--tmpdir="+s.dir,
				"--init-file="+filepath.Join(s.dir, "init.sql"), "--socket="+filepath.Join(s.dir, "socket"),
				"--pid-file="+filepath.Join(s.dir, "pid"), "--port="+strconv.Itoa(s.port), "--bind-address=127.0.0.1",
				"--skip-name-resolve", "--character-set-server=utf8mb4", "--max-connections=200", "--performance-schema=OFF",
				"--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=2")
			cmd.Args = append(cmd.Args, m.as()...)
			cmd.SysProcAttr = &syscall.SysProcAttr{}
			return cmd
		},
		url: func(s *Server) *url.URL {
			return &url.URL{Scheme: "mysql", User: url.UserPassword("segue", secret), Host: s.Addr(), Path: "/mysql"}
		},
		stop:  syscall.SIGTERM,
		crash: syscall.SIGKILL,
	}
}

// mariadb runs a statement on a MariaDB server.
func (s *Server) mariadb(statement string) error {
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User, c.Passwd = "tcp", s.Addr(), "segue", secret
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return fmt.Errorf("servertest: mariadb: %w", err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	if _, err := db.ExecContext(context.Background(), statement); err != nil {
		return fmt.Errorf("servertest: mariadb: %s: %w", statement, err)
	}
	return nil
}

// command runs a command to its end.
func command(name string, args ...string) error { return run(exec.Command(name, args...)) }
