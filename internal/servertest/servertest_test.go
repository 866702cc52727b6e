package servertest_test

import (
	"bufio"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store"
)

func TestEachStoreIsOneStoreUnderSeveralHandles(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(*testing.T) store.Store) {
		a, b := open(t), open(t)
		if _, err := a.Put(t.Context(), store.Write{Key: "k", Value: []byte("v")}); err != nil {
			t.Fatal(err)
		}
		if e, err := b.Get(t.Context(), "k"); err != nil || string(e.Value) != "v" {
			t.Errorf("the other handle has %q, %v", e.Value, err)
		}
	})
}

// redisDo sends a command to a Redis server and returns the answer's first line.
func redisDo(t *testing.T, raw string, commands ...string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	password, _ := u.User.Password()
	all := append([]string{"AUTH " + password, "SELECT " + strings.TrimPrefix(u.Path, "/")}, commands...)
	r, answer := bufio.NewReader(c), ""
	for _, command := range all {
		fmt.Fprintf(c, "%s\r\n", command)
		if answer, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	return strings.TrimSpace(answer)
}

func TestRedisKeepsItsDataOverStopAndKill(t *testing.T) {
	t.Parallel()
	s := servertest.Redis(t)
	if got := redisDo(t, s.URL(), "SET a b"); got != "+OK" {
		t.Fatal(got)
	}
	s.Restart(t)
	if got := redisDo(t, s.URL(), "STRLEN a"); got != ":1" {
		t.Errorf("after a restart: %s", got)
	}
	redisDo(t, s.URL(), "SET a bcd")
	s.Kill(t)
	s.Start(t)
	if got := redisDo(t, s.URL(), "STRLEN a"); got != ":3" {
		t.Errorf("after a kill: %s", got)
	}
	s.Stop(t)
	s.Forget(t)
	s.Start(t)
	if got := redisDo(t, s.URL(), "STRLEN a"); got != ":0" {
		t.Errorf("after it has forgotten: %s", got)
	}
}

func TestRedisURLsAreApart(t *testing.T) {
	t.Parallel()
	redisDo(t, servertest.RedisURL(t), "SET a b")
	if got := redisDo(t, servertest.RedisURL(t), "DBSIZE"); got != ":0" {
		t.Errorf("another database has entries: %s", got)
	}
}

func psql(t *testing.T, url, statement string) string {
	t.Helper()
	out, err := exec.Command("psql", "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-c", statement, url).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestPostgresKeepsItsDataOverStopAndKill(t *testing.T) {
	t.Parallel()
	s := servertest.Postgres(t)
	psql(t, s.URL(), "CREATE TABLE a AS SELECT 1 AS n")
	s.Restart(t)
	s.Kill(t)
	s.Start(t)
	if got := psql(t, s.URL(), "SELECT n FROM a"); got != "1" {
		t.Errorf("the table has %q", got)
	}
}

func TestPostgresURLsAreApart(t *testing.T) {
	t.Parallel()
	for range 2 {
		psql(t, servertest.PostgresURL(t), "CREATE TABLE a ()")
	}
}

// TestNothingIsLeftOfABinaryThatWasKilled runs this binary anew, which starts the
// servers and kills itself.
func TestNothingIsLeftOfABinaryThatWasKilled(t *testing.T) {
	t.Parallel()
	if os.Getenv("SERVERTEST_DIE") != "" {
		fmt.Println("up", servertest.RedisURL(t), servertest.PostgresURL(t), servertest.RabbitMQURL(t))
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	tmp, err := os.MkdirTemp("", "killed") // t.TempDir is in a folder that PostgreSQL's user cannot enter
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o711); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "SERVERTEST_DIE=1", "TMPDIR="+tmp)
	out, _ := cmd.CombinedOutput() // it was killed
	var urls [3]string
	if _, err := fmt.Sscanf(string(out), "up %s %s %s", &urls[0], &urls[1], &urls[2]); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	servertest.Eventually(t, "its folder is removed", func() bool {
		left, err := os.ReadDir(tmp)
		return err == nil && len(left) == 0
	})
	for _, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		servertest.Eventually(t, u.Host+" is closed", func() bool {
			c, err := net.Dial("tcp", u.Host)
			if err == nil {
				c.Close()
			}
			return err != nil
		})
	}
}
