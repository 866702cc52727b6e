package outbox_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/outbox"
)

// workerEnv makes the test binary a process that writes or relays: its value says which.
const workerEnv = "SEGUE_OUTBOX_WORKER"

func TestMain(m *testing.M) {
	role := os.Getenv(workerEnv)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := work(role); err != nil {
		log.Fatal(role, ": ", err)
	}
}

func work(role string) error {
	ctx := context.Background()
	db, err := sql.Open(os.Getenv("DRIVER"), os.Getenv("SOURCE"))
	if err != nil {
		return err
	}
	o, err := outbox.New(ctx, db)
	if err != nil {
		return err
	}
	if role == "writer" {
		return write(ctx, db, o)
	}
	conn, err := net.Dial("unix", os.Getenv("LEDGER"))
	if err != nil {
		return err
	}
	c := o.Relay(&wire{conn: conn, answers: bufio.NewScanner(conn)}, outbox.Every(5*time.Millisecond), outbox.Lease(time.Second))
	if err := c.Start(ctx); err != nil {
		return err
	}
	_, _ = bufio.NewReader(os.Stdin).ReadString(0) // its end is that of who started us
	return c.Stop(ctx)
}

// write writes orders and adds their messages, and rolls some back.
func write(ctx context.Context, db *sql.DB, o *outbox.Outbox) error {
	for n := 0; ; n++ {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		order := fmt.Sprintf("%d/%d/%d", os.Getpid(), n%3, n)
		key := order[:strings.LastIndexByte(order, '/')]
		_, err = tx.ExecContext(ctx, "INSERT INTO orders (name) VALUES ('"+order+"')")
		if err := errors.Join(err, o.Add(ctx, tx, message.Message{ID: order, Topic: "orders", Key: key})); err != nil {
			return err
		}
		if rand.IntN(4) == 0 {
			err = tx.Rollback()
		} else {
			err = tx.Commit()
		}
		if err != nil {
			return err
		}
		time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond) // other work
	}
}

// A wire publishes to the test: a line for each message, and one when it is noted.
type wire struct {
	conn    net.Conn
	answers *bufio.Scanner
}

// Publish is message.Broker's.
func (w *wire) Publish(_ context.Context, messages ...message.Message) error {
	for _, m := range messages {
		if _, err := fmt.Fprintln(w.conn, m.ID); err != nil {
			return err
		}
		if !w.answers.Scan() {
			return errors.New("the test has gone")
		}
	}
	return nil
}

// A ledger is what was published, whoever has died since.
type ledger struct {
	path string
	mu   sync.Mutex
	got  []string
}

func newLedger(t *testing.T) *ledger {
	t.Helper()
	l := &ledger{path: filepath.Join(t.TempDir(), "ledger")}
	listener, err := net.Listen("unix", l.path)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
			serving.Go(func() { defer conn.Close(); l.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	return l
}

func (l *ledger) serve(conn net.Conn) {
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		l.mu.Lock()
		l.got = append(l.got, lines.Text())
		l.mu.Unlock()
		if _, err := fmt.Fprintln(conn, "noted"); err != nil {
			return
		}
	}
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.got)
}

// start starts a process, which dies with the test, and returns what kills it and
// what lets it end.
func start(t *testing.T, role, driver, source string, l *ledger) (kill, end func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), workerEnv+"="+role, "DRIVER="+driver, "SOURCE="+source, "LEDGER="+l.path)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	started, gone := make(chan error), make(chan struct{})
	go func() { // the kernel kills the process when the thread that made it ends
		runtime.LockOSThread()
		defer close(gone)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended says nothing: it is we who end it
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	kill = func() { _ = cmd.Process.Kill(); <-gone }
	t.Cleanup(kill)
	return kill, func() { _ = in.Close(); <-gone }
}

// TestWhoeverIsKilledWhatIsCommittedIsPublished kills writers and relays at random
// points, and compares what was committed with what was published.
func TestWhoeverIsKilledWhatIsCommittedIsPublished(t *testing.T) {
	eachDatabase(t, func(t *testing.T, driver, source string) {
		b, l := newBox(t, driver, source), newLedger(t)
		if _, err := b.db.ExecContext(t.Context(), "CREATE TABLE orders (name varchar(100) PRIMARY KEY)"); err != nil {
			t.Fatal(err)
		}
		killWriter, _ := start(t, "writer", driver, source, l)
		killRelay, endRelay := start(t, "relay", driver, source, l)
		_, endOther := start(t, "relay", driver, source, l)
		for range 4 {
			noted := l.count() + 40
			servertest.Eventually(t, "more messages", func() bool { return l.count() >= noted })
			time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond) // anywhere
			killRelay()
			killWriter()
			killWriter, _ = start(t, "writer", driver, source, l)
			killRelay, endRelay = start(t, "relay", driver, source, l)
		}
		killWriter()
		servertest.Eventually(t, "an empty table", func() bool { return b.pending().Messages == 0 })
		endRelay()
		endOther()
		compare(t, b.db, l)
	})
}

// compare holds what was published to what was committed.
func compare(t *testing.T, db *sql.DB, l *ledger) {
	t.Helper()
	committed := map[string]bool{}
	rows, err := db.QueryContext(t.Context(), "SELECT name FROM orders")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var order string
		if err := rows.Scan(&order); err != nil {
			t.Fatal(err)
		}
		committed[order] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	published, last, twice := map[string]bool{}, map[string]int{}, 0
	for _, order := range l.got {
		if !committed[order] {
			t.Errorf("%s was rolled back, or never committed, and is published", order)
		}
		if published[order] {
			twice++
			continue
		}
		published[order] = true
		at := strings.LastIndexByte(order, '/')
		var n int
		if _, err := fmt.Sscan(order[at+1:], &n); err != nil {
			t.Fatal(err)
		}
		if before, ok := last[order[:at]]; ok && before > n {
			t.Errorf("of key %s %d is published after %d", order[:at], n, before)
		}
		last[order[:at]] = n
	}
	for order := range committed {
		if !published[order] {
			t.Errorf("%s was committed, and is not published", order)
		}
	}
	t.Logf("%d committed, %d published, %d of them twice", len(committed), len(published), twice)
}
