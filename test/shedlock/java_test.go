// Package shedlock_test has services in Java and guards in Go contend for the same
// locks.
//
// The Java side is ShedLock's documented protocol, written for these tests (java/):
// Debian has the JDBC drivers and MongoDB's, but not ShedLock. SEGUE_TEST_SHEDLOCK is
// the class path of ShedLock's own classes, if you have them: shedlock-core,
// shedlock-provider-jdbc, shedlock-provider-mongo, shedlock-support-redis, and what
// these need. The same tests then hold those to it.
package shedlock_test

import (
	"bufio"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// ownEnv is the class path of ShedLock's own classes.
const ownEnv = "SEGUE_TEST_SHEDLOCK"

const jars = "/usr/share/java/"

// drivers are Debian's.
var drivers = []string{jars + "postgresql.jar", jars + "mariadb-java-client.jar", jars + "xerial-sqlite-jdbc.jar", jars + "mongo-java-driver.jar"}

//go:embed java
var java embed.FS

var classes string // the folder of what is compiled

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "shedlock")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	classes = dir
	return m.Run()
}

// compiled compiles the Java side, and returns its class path.
var compiled = sync.OnceValues(func() (string, error) {
	const mend = "scripts/need javac -- libpostgresql-jdbc-java libmariadb-java libxerial-sqlite-jdbc-java libmongodb-java"
	for _, jar := range drivers {
		if _, err := os.Stat(jar); err != nil {
			return "", fmt.Errorf("a driver for Java is missing: %w: install it: %s", err, mend)
		}
	}
	if err := os.CopyFS(classes, java); err != nil {
		return "", err
	}
	sources, err := filepath.Glob(filepath.Join(classes, "java/*.java"))
	if err != nil {
		return "", err
	}
	path := append([]string{classes}, drivers...)
	if own := os.Getenv(ownEnv); own != "" {
		path = append(path, own)
		sources = append(sources, filepath.Join(classes, "java/own/Own.java"))
	}
	all := strings.Join(path, ":")
	out, err := exec.Command("javac", append([]string{"-d", classes, "-cp", all}, sources...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("javac (%s): %w\n%s", mend, err, out)
	}
	return all, nil
})

// A peer is a service in Java that does what it is told.
type peer struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// startJava starts a peer, whose JVM believes to be in the zone.
func startJava(t *testing.T, zone, database, url, clock string) *peer {
	t.Helper()
	path, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	locking := "statements"
	if os.Getenv(ownEnv) != "" {
		locking = "own"
	}
	cmd := exec.Command("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx64m", "-Duser.timezone="+zone, "-cp", path,
		"Peer", database, url, clock, "java-host", locking)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, cmd: cmd, in: in, out: bufio.NewScanner(out)}
	t.Cleanup(p.kill)
	if !p.out.Scan() || p.out.Text() != "ready" {
		t.Fatalf("the Java side said %q, %v", p.out.Text(), p.out.Err())
	}
	return p
}

// kill ends it with SIGKILL.
func (p *peer) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	_ = p.cmd.Wait()         // as it was killed
}

// tell says a command and returns the answer.
func (p *peer) tell(words ...string) (string, error) {
	if _, err := fmt.Fprintln(p.in, strings.Join(words, "\t")); err != nil {
		return "", err
	}
	if !p.out.Scan() {
		return "", errors.Join(errors.New("the Java side has ended"), p.out.Err())
	}
	if what, ok := strings.CutPrefix(p.out.Text(), "error "); ok {
		return "", errors.New(what)
	}
	return p.out.Text(), nil
}

func ms(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// want tells it something, to be answered as expected.
func (p *peer) want(answer string, words ...string) {
	p.t.Helper()
	if got, err := p.tell(words...); err != nil || got != answer {
		p.t.Fatalf("Java, %q: %s, %v; want %s", words, got, err, answer)
	}
}

func (p *peer) lock(answer, name string, atMost, atLeast time.Duration) {
	p.t.Helper()
	p.want(answer, "lock", name, ms(atMost), ms(atLeast))
}

func (p *peer) extend(answer, name string, atMost time.Duration) {
	p.t.Helper()
	p.want(answer, "extend", name, ms(atMost), "0")
}

func (p *peer) unlock(name string) {
	p.t.Helper()
	p.want("yes", "unlock", name)
}
