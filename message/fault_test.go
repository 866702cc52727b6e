package message_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/embedded"
)

// roleEnv makes the test binary a process of the fault test.
const roleEnv = "SEGUE_MESSAGE_ROLE"

func TestMain(m *testing.M) {
	role := os.Getenv(roleEnv)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := play(role); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", role, err)
		os.Exit(1)
	}
}

// each is how many messages a publisher publishes.
const each = 100

// play publishes messages, or handles them until standard input ends.
func play(role string) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s, err := servertest.Open(ctx, os.Getenv("STORE"))
	if err != nil {
		return err
	}
	defer s.Close()
	broker := embedded.New(s, embedded.Lease(time.Second))
	defer broker.Close()
	b := message.New(broker, s)
	if role != "consumer" {
		for n := range each {
			m := message.Message{ID: fmt.Sprintf("%s-%d", role, n), Topic: "orders", Key: fmt.Sprint("key", n%7)}
			if err := b.Publish(ctx, m); err != nil {
				return err
			}
		}
		return nil
	}
	ledger, err := os.OpenFile(os.Getenv("LEDGER"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer ledger.Close()
	b.One("orders", "packing", func(_ context.Context, m message.Message) error {
		time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond) // work, in the middle of which it may be killed
		_, err := fmt.Fprintf(ledger, "%s %d\n", m.ID, os.Getpid())
		return err
	}, message.Once(time.Hour), message.OnceLease(time.Second), message.Window(4))
	c := b.Component()
	if err := c.Start(ctx); err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	stopping, cancel := context.WithTimeout(ctx, servertest.Patience)
	defer cancel()
	return c.Stop(stopping)
}

// A player is a process of the test.
type player struct {
	cmd  *exec.Cmd
	in   io.Closer
	gone chan struct{}
	err  error // how it ended
}

func startPlayer(t *testing.T, role, url, ledger string) *player {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &player{cmd: exec.Command(exe), gone: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), roleEnv+"="+role, "STORE="+url, "LEDGER="+ledger)
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in = in
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	started, ready := make(chan error), make(chan struct{})
	go func() { // the kernel kills the process when the thread that made it ends
		runtime.LockOSThread()
		defer close(p.gone)
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		for lines := bufio.NewScanner(out); lines.Scan(); {
			close(ready) // it says nothing else
		}
		p.err = p.cmd.Wait()
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	if role == "consumer" {
		select {
		case <-ready:
		case <-p.gone:
			t.Fatalf("a consumer has ended: %v", p.err)
		}
	}
	return p
}

func (p *player) kill() {
	_ = p.cmd.Process.Kill()
	<-p.gone
}

func (p *player) end(t *testing.T) {
	t.Helper()
	_ = p.in.Close()
	<-p.gone
	if p.err != nil {
		t.Errorf("a process ended with %v", p.err)
	}
}

// TestKilledConsumersLoseNothingAndDoNothingTwice kills consumers at random. What a
// process had just done when it was killed, and could not note any more, may be done
// once more: that is the last line of the dead. Nothing else may.
func TestKilledConsumersLoseNothingAndDoNothingTwice(t *testing.T) {
	t.Parallel()
	servertest.EachURL(t, func(t *testing.T, url string) {
		ledger := filepath.Join(t.TempDir(), "ledger")
		if err := os.WriteFile(ledger, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		consumers := []*player{startPlayer(t, "consumer", url, ledger), startPlayer(t, "consumer", url, ledger), startPlayer(t, "consumer", url, ledger)}
		publishers := []*player{startPlayer(t, "p", url, ledger), startPlayer(t, "q", url, ledger)}
		killed := map[int]bool{}
		const kills = 3
		for k := range kills {
			servertest.Eventually(t, "a share of the messages", func() bool { return len(distinct(read(t, ledger))) >= (k+1)*2*each/(kills+2) })
			victim := rand.IntN(len(consumers))
			killed[consumers[victim].cmd.Process.Pid] = true
			consumers[victim].kill()
			consumers[victim] = startPlayer(t, "consumer", url, ledger)
		}
		for _, p := range publishers {
			p.end(t)
		}
		servertest.Eventually(t, "all messages", func() bool { return len(distinct(read(t, ledger))) == 2*each })
		for _, c := range consumers {
			c.end(t)
		}
		judge(t, read(t, ledger), killed)
	})
}

// A line is what a process has done.
type line struct {
	id  string
	pid int
}

func read(t *testing.T, ledger string) (lines []line) {
	t.Helper()
	text, err := os.ReadFile(ledger)
	if err != nil {
		t.Fatal(err)
	}
	for s := range strings.Lines(string(text)) {
		id, pid, _ := strings.Cut(strings.TrimSpace(s), " ")
		n, err := strconv.Atoi(pid)
		if err != nil {
			t.Fatal(errors.Join(errors.New(s), err))
		}
		lines = append(lines, line{id, n})
	}
	return lines
}

func distinct(lines []line) map[string]bool {
	ids := map[string]bool{}
	for _, l := range lines {
		ids[l.id] = true
	}
	return ids
}

func judge(t *testing.T, lines []line, killed map[int]bool) {
	t.Helper()
	last, seen, newest := map[int]int{}, map[string]int{}, map[string]int{}
	for n, l := range lines {
		last[l.pid] = n
	}
	for n, l := range lines {
		before, twice := seen[l.id]
		if by := lines[before].pid; twice && !(killed[by] && last[by] == before) {
			t.Errorf("%s was done by %d and again by %d", l.id, by, l.pid)
		}
		if !twice {
			publisher, number, _ := strings.Cut(l.id, "-")
			i, err := strconv.Atoi(number)
			if err != nil {
				t.Fatal(err)
			}
			key := fmt.Sprint(publisher, i%7)
			if at, ok := newest[key]; ok && i < at {
				t.Errorf("%s was done after number %d with the same key", l.id, at)
			}
			newest[key] = i
		}
		seen[l.id] = n
	}
	if ids := len(distinct(lines)); ids != 2*each {
		t.Errorf("%d messages were done, want %d", ids, 2*each)
	}
}
