package servertest

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// RabbitMQ starts a RabbitMQ server of the test's own, which it may stop and
// start. env is added to its environment.
func RabbitMQ(t testing.TB, env ...string) *Server {
	t.Helper()
	k, prepare, free, err := rabbitmq()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(free)
	return own(t, k, prepare, env...)
}

// rabbitURL is the environment variable that names a real server to be used in
// place of one of ours.
const rabbitURL = "SEGUE_TEST_RABBITMQ"

// RabbitMQURL is an empty virtual host of a RabbitMQ server that the tests of the
// binary share: amqp://user:password@host:port/vhost.
//
// With SEGUE_TEST_RABBITMQ=amqp://… it is that URL, and prefix is what the names of
// this test begin with there. What the test has made stays on that server.
func RabbitMQURL(t testing.TB) string {
	t.Helper()
	n := vhosts.Add(1)
	if real := os.Getenv(rabbitURL); real != "" {
		return withPrefix(t, real, fmt.Sprintf("test-%d-%d-", os.Getpid(), n))
	}
	s, err := sharedRabbitMQ()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprint("test", n)
	if err := s.addVhost(name); err != nil {
		t.Fatal(err)
	}
	u := s.kind.url(s)
	u.Path = "/" + name
	return u.String()
}

func withPrefix(t testing.TB, raw, prefix string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatalf("servertest: %s is no URL", rabbitURL) // which has a password in it
	}
	q := u.Query()
	q.Set("prefix", prefix)
	u.RawQuery = q.Encode()
	return u.String()
}

var vhosts atomic.Int64 // that were given out

var sharedRabbitMQ = sync.OnceValues(func() (*Server, error) {
	k, prepare, _, err := rabbitmq()
	if err != nil {
		return nil, err
	}
	return share(k, prepare)
})

// rabbitRoom is where Debian and RabbitMQ's own packages keep the server.
const rabbitRoom = "/usr/lib/rabbitmq/lib"

// rabbitmq is a server run by erl itself: the script that comes with it starts the
// Erlang machine three times, and a daemon (epmd) that would outlive us. Without
// that daemon, the port by which nodes speak to one another has to be known.
func rabbitmq() (_ kind, prepare func(dir string) error, free func(), err error) {
	const mend = "install it: apt-get install rabbitmq-server (scripts/need -- rabbitmq-server)"
	erl, err := find("erl", "/usr/bin", mend)
	if err != nil {
		return kind{}, nil, nil, err
	}
	apps, err := rabbitApps()
	if err != nil {
		return kind{}, nil, nil, fmt.Errorf("servertest: %w; %s", err, mend)
	}
	nodes, free, err := reservePort()
	if err != nil {
		return kind{}, nil, nil, err
	}
	return kind{
		name:    "rabbitmq",
		command: func(s *Server) *exec.Cmd { return rabbitCommand(s, erl, nodes) },
		url: func(s *Server) *url.URL {
			return &url.URL{Scheme: "amqp", User: url.UserPassword("segue", secret), Host: s.Addr()}
		},
		stop:  syscall.SIGTERM,
		crash: syscall.SIGKILL,
	}, func(dir string) error { return fillRabbit(dir, apps) }, free, nil
}

// rabbitApps are the folders of what the server is made of, without its plugins:
// Erlang looks for each of its thousand modules in each folder that it is given.
func rabbitApps() ([]string, error) {
	all, err := filepath.Glob(filepath.Join(rabbitRoom, "rabbitmq_server-*", "plugins", "*-*"))
	if err != nil || len(all) == 0 {
		return nil, fmt.Errorf("there is no RabbitMQ in %s", rabbitRoom)
	}
	return slices.DeleteFunc(all, func(path string) bool {
		app := filepath.Base(path)
		return strings.HasPrefix(app, "rabbitmq_") && !strings.HasPrefix(app, "rabbitmq_prelaunch-")
	}), nil
}

// fillRabbit makes what a server begins with, in its folder.
func fillRabbit(dir string, apps []string) error {
	libs := filepath.Join(dir, "libs")
	if err := os.Mkdir(libs, 0o700); err != nil {
		return err
	}
	for _, app := range apps {
		if err := os.Symlink(app, filepath.Join(libs, filepath.Base(app))); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "enabled"), []byte("[].\n"), 0o600) // plugins
}

// rabbitConfig has the port last: it is known only when the server is started.
const rabbitConfig = `default_user = segue
default_pass = %s
log.console = true
log.console.level = warning
log.file = false
disk_free_limit.absolute = 1MB
listeners.tcp.1 = 127.0.0.1:%d
`

// vhostsByLine makes a virtual host of each line that it reads, and a file of what
// became of it. When we are no more there is nothing to read, and the server ends.
const vhostsByLine = `spawn(fun() -> (fun F() -> case io:get_line("") of
	Line when is_list(Line) ->
		Name = list_to_binary(string:trim(Line)),
		Said = try
			rabbit_vhost:add(Name, <<"segue">>),
			rabbit_auth_backend_internal:set_permissions(<<"segue">>, Name, <<".*">>, <<".*">>, <<".*">>, <<"segue">>)
		catch _:E -> E end,
		ok = file:write_file(<<"vhost-", Name/binary, ".new">>, io_lib:format("~p", [Said])),
		ok = file:rename(<<"vhost-", Name/binary, ".new">>, <<"vhost-", Name/binary>>),
		F();
	_ -> halt() end end)() end).`

func rabbitCommand(s *Server, erl string, nodes int) *exec.Cmd {
	cmd := exec.Command(erl, "-noshell", "-boot", "start_sasl", "-s", "rabbit", "boot", "-eval", vhostsByLine,
		"-start_epmd", "false", "-erl_epmd_port", strconv.Itoa(nodes), "-sname", "segue@localhost", "-setcookie", secret,
		"-kernel", "inet_dist_use_interface", "{127,0,0,1}", "-kernel", "prevent_overlapping_partitions", "false",
		"-syslog", "logger", "[]", "-syslog", "syslog_error_logger", "false",
		"+W", "w", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none", "+B", "i")
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	cmd.Env = []string{ // of what it keeps, all is in its folder
		"HOME=" + s.dir, "ERL_LIBS=" + filepath.Join(s.dir, "libs"), "RABBITMQ_PLUGINS_DIR=" + filepath.Join(s.dir, "libs"),
		"RABBITMQ_NODENAME=segue@localhost", "RABBITMQ_DIST_PORT=" + strconv.Itoa(nodes), "RABBITMQ_LOGS=-",
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(s.dir, "data"), "RABBITMQ_LOG_BASE=" + s.dir,
		"RABBITMQ_CONFIG_FILE=" + filepath.Join(s.dir, "rabbitmq.conf"), "RABBITMQ_ADVANCED_CONFIG_FILE=" + filepath.Join(s.dir, "none"),
		"RABBITMQ_CONF_ENV_FILE=" + os.DevNull, "RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(s.dir, "enabled"), "SYS_PREFIX=",
	}
	config := fmt.Appendf(nil, rabbitConfig, secret, s.port)
	tell, err := cmd.StdinPipe()
	s.tell = tell
	cmd.Err = cmp.Or(cmd.Err, err, os.WriteFile(filepath.Join(s.dir, "rabbitmq.conf"), config, 0o600))
	return cmd
}

// addVhost makes a virtual host, to which our user may do all.
func (s *Server) addVhost(name string) error {
	if _, err := io.WriteString(s.tell, name+"\n"); err != nil {
		return fmt.Errorf("servertest: add virtual host %s: %w\n%s", name, err, s.log())
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		said, err := os.ReadFile(filepath.Join(s.dir, "vhost-"+name))
		switch {
		case err == nil && string(said) == "ok":
			return nil
		case err == nil:
			return fmt.Errorf("servertest: add virtual host %s: %s\n%s", name, said, s.log())
		case time.Now().After(deadline):
			return fmt.Errorf("servertest: add virtual host %s: not within %v\n%s", name, patience, s.log())
		}
	}
}

// Settle waits until a RabbitMQ server has on disk which quorum queues there are.
// RabbitMQ 3.10 writes that up to three seconds after a queue was made, and has
// confirmed messages meanwhile: killed before, it loses them, and its queue is of no
// use any more. No client can do anything about it.
func (s *Server) Settle(t testing.TB) {
	t.Helper()
	logs := filepath.Join(s.dir, "data", "segue@localhost", "quorum", "segue@localhost")
	Eventually(t, "RabbitMQ knows its queues", func() bool {
		known, err := os.ReadFile(filepath.Join(logs, "names.dets"))
		if err != nil {
			t.Fatal(err)
		}
		queues, err := os.ReadDir(logs)
		if err != nil {
			t.Fatal(err)
		}
		return !slices.ContainsFunc(queues, func(q os.DirEntry) bool {
			return q.IsDir() && !bytes.Contains(known, []byte(q.Name()))
		})
	})
}
