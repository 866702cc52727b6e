package outbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/seguehq/segue/internal/doctest"
	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/outbox"
)

// eachDatabase runs test as a parallel subtest for every database, with the driver
// and the source of one that is empty.
func eachDatabase(t *testing.T, test func(t *testing.T, driver, source string)) {
	for name, database := range map[string]func(t *testing.T) (driver, source string){
		"postgres": func(t *testing.T) (string, string) { return "pgx", servertest.PostgresURL(t) },
		"mariadb":  func(t *testing.T) (string, string) { return "mysql", mysqlSource(t, servertest.MariaDBURL(t)) },
		"sqlite": func(t *testing.T) (string, string) {
			return "sqlite", "file:" + filepath.Join(t.TempDir(), "shop.db") + "?_pragma=journal_mode(wal)&_pragma=busy_timeout(20000)&_txlock=immediate"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			driver, source := database(t)
			test(t, driver, source)
		})
	}
}

// mysqlSource is a URL as the driver wants it.
func mysqlSource(t *testing.T, text string) string {
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	return fmt.Sprintf("%s:%s@tcp(%s)%s", u.User.Username(), password, u.Host, u.Path)
}

func connect(t *testing.T, driver, source string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// A box is an outbox with its tables.
type box struct {
	*outbox.Outbox
	*testing.T
	db *sql.DB
}

func newBox(t *testing.T, driver, source string) *box {
	t.Helper()
	db := connect(t, driver, source)
	o, err := outbox.New(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &box{o, t, db}
}

func (b *box) begin() *sql.Tx {
	b.Helper()
	tx, err := b.db.BeginTx(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	return tx
}

func (b *box) add(tx *sql.Tx, ids ...string) {
	b.Helper()
	for _, id := range ids {
		err := b.Add(b.Context(), tx, message.Message{ID: id, Topic: "orders", Key: "k", Header: map[string]string{"n": id}, Body: []byte("body " + id)})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func (b *box) commit(tx *sql.Tx) {
	b.Helper()
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

// put adds messages in a transaction of their own.
func (b *box) put(ids ...string) {
	b.Helper()
	tx := b.begin()
	b.add(tx, ids...)
	b.commit(tx)
}

func (b *box) pending() outbox.Pending {
	b.Helper()
	p, err := b.Pending(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// relay starts a relay that stops with the test, or when stop is called.
func (b *box) relay(to outbox.Publisher, options ...outbox.Option) (stop func()) {
	b.Helper()
	c := b.Relay(to, append([]outbox.Option{outbox.Every(10 * time.Millisecond)}, options...)...)
	if err := c.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		if err := c.Stop(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(stop)
	return stop
}

// A broker is what is published, in order; it fails as it is told.
type broker struct {
	mu    sync.Mutex
	got   []message.Message
	fails func(m ...message.Message) error
}

// Publish is message.Broker's.
func (b *broker) Publish(_ context.Context, m ...message.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fails != nil {
		if err := b.fails(m...); err != nil {
			return err
		}
	}
	b.got = append(b.got, m...)
	return nil
}

func (b *broker) set(fails func(m ...message.Message) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fails = fails
}

func (b *broker) ids() (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.got {
		all = append(all, m.ID)
	}
	return all
}

// want waits until these were published, in this order.
func (b *broker) want(t *testing.T, ids ...string) {
	t.Helper()
	deadline := time.Now().Add(servertest.Patience)
	for !slices.Equal(b.ids(), ids) {
		if time.Now().After(deadline) {
			t.Fatalf("published: %v, want %v", b.ids(), ids)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func TestWhatIsCommittedIsPublished(t *testing.T) {
	eachDatabase(t, func(t *testing.T, driver, source string) {
		b, to := newBox(t, driver, source), &broker{}
		b.relay(to)
		tx := b.begin()
		b.add(tx, "never")
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		sent := message.Message{ID: "full", Topic: "orders", Key: "käse 7 ", Header: map[string]string{"a": "ü\x00"}, Body: []byte{0, 1, 0xff}, Time: time.UnixMicro(1_700_000_000_123_456)}
		tx = b.begin()
		if err := b.Add(t.Context(), tx, sent, message.Message{Topic: "orders"}); err != nil {
			t.Fatal(err)
		}
		b.commit(tx)
		b.put("1", "2")
		b.put("3")
		servertest.Eventually(t, "all messages", func() bool { return len(to.ids()) == 5 })
		if got := to.ids(); got[0] != "full" || got[1] == "" || !slices.Equal(got[2:], []string{"1", "2", "3"}) {
			t.Errorf("published: %v", got)
		}
		if got := to.got[0]; got.Key != sent.Key || got.Header["a"] != "ü\x00" || string(got.Body) != string(sent.Body) || !got.Time.Equal(sent.Time) {
			t.Errorf("published %+v, want %+v", got, sent)
		}
		if got := to.got[1]; time.Since(got.Time) > time.Minute || len(got.Body) != 0 {
			t.Errorf("published %+v, which was given no time", got)
		}
		servertest.Eventually(t, "an empty table", func() bool { return b.pending() == outbox.Pending{} })
	})
}

// TestWhatIsCommittedLateIsNotPassedOver has the transaction that added first commit
// last.
func TestWhatIsCommittedLateIsNotPassedOver(t *testing.T) {
	eachDatabase(t, func(t *testing.T, driver, source string) {
		if driver == "sqlite" {
			return // it has one writer at a time
		}
		b, to := newBox(t, driver, source), &broker{}
		b.relay(to)
		early := b.begin()
		b.add(early, "early")
		b.put("late")
		to.want(t, "late")
		b.commit(early)
		to.want(t, "late", "early")
	})
}

func TestWhatTheBrokerRefusesIsParkedAndHoldsNobodyUp(t *testing.T) {
	eachDatabase(t, func(t *testing.T, driver, source string) {
		b, to := newBox(t, driver, source), &broker{}
		to.set(func(m ...message.Message) error {
			for _, m := range m {
				if m.ID == "2" {
					return fmt.Errorf("message 2 is too large: %w", message.ErrRefused)
				}
			}
			return nil
		})
		b.put("1", "2", "3")
		b.relay(to)
		to.want(t, "1", "3")
		servertest.Eventually(t, "one parked message", func() bool { p := b.pending(); return p.Messages == 0 && p.Parked == 1 })
		parked, err := b.Parked(t.Context())
		if err != nil || len(parked) != 1 || parked[0].Message.ID != "2" || !strings.Contains(parked[0].Reason, "too large") || time.Since(parked[0].Since).Abs() > time.Minute {
			t.Fatalf("parked: %+v, %v", parked, err)
		}
		to.set(nil)
		if err := b.Retry(t.Context(), parked[0].Number); err != nil {
			t.Fatal(err)
		}
		to.want(t, "1", "3", "2")
		if err := b.Drop(t.Context(), parked[0].Number); !errors.Is(err, outbox.ErrNotParked) {
			t.Errorf("drop what was published: %v", err)
		}
	})
}

func TestWhileTheBrokerIsAwayEverythingWaits(t *testing.T) {
	eachDatabase(t, func(t *testing.T, driver, source string) {
		b, to := newBox(t, driver, source), &broker{}
		tried := make(chan struct{}, 100)
		to.set(func(...message.Message) error { tried <- struct{}{}; return errors.New("away") })
		stop := b.relay(to)
		var want []string
		for n := range 250 { // more than a batch
			want = append(want, fmt.Sprint(n))
		}
		b.put(want...)
		<-tried
		if p := b.pending(); p.Messages != 250 || p.Oldest <= 0 || p.Parked != 0 {
			t.Errorf("pending: %+v", p)
		}
		stop()
		to.set(nil)
		b.relay(to)
		to.want(t, want...)
	})
}

func TestOneRelayAtATime(t *testing.T) {
	eachDatabase(t, func(t *testing.T, driver, source string) {
		b := newBox(t, driver, source)
		first, second := &broker{}, &broker{}
		b.put("0")
		stop := b.relay(first, outbox.Lease(time.Minute))
		first.want(t, "0")
		b.relay(second)
		b.put("1")
		first.want(t, "0", "1")
		stop() // the other one does not have to wait for the lease
		b.put("2")
		second.want(t, "2")
		if got := first.ids(); len(got) != 2 {
			t.Errorf("the one that was stopped has published %v", got)
		}
	})
}

func TestAMessageTakesEffectOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, driver, source string) {
		b := newBox(t, driver, source)
		once := func(tx *sql.Tx, group, id string) bool {
			t.Helper()
			first, err := b.Once(t.Context(), tx, group, id)
			if err != nil {
				t.Fatal(err)
			}
			return first
		}
		tx := b.begin()
		if !once(tx, "g", "m") || once(tx, "g", "m") {
			t.Error("not first, or twice")
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		var done sync.Mutex
		firsts := 0
		var all sync.WaitGroup
		for range 5 { // at the same time
			all.Go(func() {
				tx, err := b.db.BeginTx(t.Context(), nil)
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = tx.Commit() }()
				first, err := b.Once(t.Context(), tx, "g", "m")
				if err != nil {
					t.Error(err)
				}
				if first {
					done.Lock()
					firsts++
					done.Unlock()
				}
			})
		}
		all.Wait()
		if firsts != 1 {
			t.Errorf("%d were the first", firsts)
		}
		tx = b.begin()
		if !once(tx, "g", "M") || !once(tx, "g", "m ") || !once(tx, "G", "m") || once(tx, "g", "m") {
			t.Error("other messages are not others")
		}
		b.commit(tx)
		if err := b.Forget(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		tx = b.begin()
		if once(tx, "g", "m") {
			t.Error("it was forgotten before its time")
		}
		b.commit(tx)
		time.Sleep(5 * time.Millisecond) // the database's clock has to go on
		if err := b.Forget(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		tx = b.begin()
		if !once(tx, "g", "m") {
			t.Error("it was not forgotten")
		}
		b.commit(tx)
	})
}

func TestWithoutTablesItSaysWhatToDo(t *testing.T) {
	eachDatabase(t, func(t *testing.T, driver, source string) {
		db := connect(t, driver, source)
		o, err := outbox.New(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Relay(&broker{}).Start(t.Context()); err == nil || !strings.Contains(err.Error(), "Create makes them") {
			t.Errorf("got %v", err)
		}
	})
}

func TestTablesAreCreatedByAllAtTheSameTime(t *testing.T) {
	eachDatabase(t, func(t *testing.T, driver, source string) {
		o, err := outbox.New(t.Context(), connect(t, driver, source))
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if err := o.Create(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})
}

func TestWhatNoBrokerTakesIsNotAdded(t *testing.T) {
	b := newBox(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "shop.db"))
	tx := b.begin()
	defer func() { _ = tx.Rollback() }()
	if err := b.Add(t.Context(), tx, message.Message{Topic: "or ders"}); err == nil || !strings.Contains(err.Error(), "topic") {
		t.Errorf("got %v", err)
	}
}

func TestFirstExample(t *testing.T) {
	doctest.FirstExample(t, "../../docs/outbox.md", "example_test.go")
}
