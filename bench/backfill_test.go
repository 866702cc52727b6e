//go:build bench

package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/migrate"
)

// pgrollEnv names a pgroll binary, which is then measured as well.
const pgrollEnv = "SEGUE_PGROLL"

// othersRate is how many transactions a second others send: a read and a change of
// one row each.
const othersRate = 300

// TestBackfill fills a column of a large table: by one statement, and by Segue, in
// turn, alone and while others work on the table.
func TestBackfill(t *testing.T) {
	rows := setting("SEGUE_BENCH_ROWS", 500_000, 50_000)
	var tab table
	tab.row("database", "others", "one statement, s", "Segue, s", "Segue's speed ÷ one statement's", "(by round)", "÷ that of one alone", "one's CPU ÷ Segue's",
		"others' p99 before, ms", "during one statement, ×", "during Segue, ×", "(by round)")
	for _, s := range []*fillServer{postgresToFill(t), mariadbToFill(t)} {
		alone := 0.0
		for _, among := range []bool{false, true} {
			alone = s.compare(t, &tab, rows, among, alone)
		}
	}
	write(t, "backfill", fmt.Sprintf("%s rows; %d rounds, medians; others: %d transactions a second, each a read and a change of one row.",
		thousands(rows), rounds, othersRate), tab, nil)
}

// compare adds a row to the table. alone is how long one statement takes without
// others, which it returns if that is what was measured.
func (s *fillServer) compare(t *testing.T, tab *table, rows int, among bool, alone float64) float64 {
	var one, ours, before, duringOne, duringOurs, speed, cpu []float64
	for round := range rounds {
		a := s.fill(t, rows, among, s.oneStatement)
		b := s.fill(t, rows, among, s.segue)
		one, ours = append(one, a.took), append(ours, b.took)
		speed, cpu = append(speed, a.took/b.took), append(cpu, a.cpu/b.cpu)
		before = append(before, a.before, b.before)
		duringOne, duringOurs = append(duringOne, a.during/a.before), append(duringOurs, b.during/b.before)
		t.Logf("%s, others %v, round %d of %d: %.2f s, %.2f s; p99 %.1f → %.1f ms, %.1f → %.1f ms", s.name, among, round+1, rounds, a.took, b.took, a.before, a.during, b.before, b.during)
	}
	tenth := func(v float64) string { return fmt.Sprintf("%.1f", v) }
	hundredth := func(v float64) string { return fmt.Sprintf("%.2f", v) }
	if !among {
		tab.row(s.name, "none", tenth(median(one)), tenth(median(ours)), hundredth(median(speed)), spread(speed, hundredth), "", hundredth(median(cpu)), "", "", "", "")
		return median(one)
	}
	tab.row(s.name, "at work", tenth(median(one)), tenth(median(ours)), hundredth(median(speed)), spread(speed, hundredth), hundredth(alone/median(ours)), "",
		tenth(median(before)), tenth(median(duringOne)), hundredth(median(duringOurs)), spread(duringOurs, hundredth))
	return alone
}

// A fillServer is a database server whose tables are filled.
type fillServer struct {
	name   string
	server *servertest.Server
	driver string
	url    string // of its first database
	dsn    func(url string) string
	made   int
}

// postgresToFill is set up as one that keeps what it acknowledges, which tests do
// without.
func postgresToFill(t *testing.T) *fillServer {
	server := servertest.Postgres(t)
	s := &fillServer{name: "PostgreSQL", server: server, driver: "pgx", url: server.URL(), dsn: func(url string) string { return url }}
	s.do(t, s.url, "ALTER SYSTEM SET fsync = on", "ALTER SYSTEM SET full_page_writes = on", "ALTER SYSTEM SET shared_buffers = '256MB'", "ALTER SYSTEM SET max_wal_size = '2GB'")
	server.Restart(t)
	return s
}

func mariadbToFill(t *testing.T) *fillServer {
	server := servertest.MariaDB(t)
	s := &fillServer{name: "MariaDB", server: server, driver: "mysql", url: server.URL(), dsn: mariadbDSN}
	s.do(t, s.url, "SET GLOBAL innodb_flush_log_at_trx_commit = 1", "SET GLOBAL innodb_buffer_pool_size = 256 * 1024 * 1024", "SET GLOBAL innodb_log_file_size = 256 * 1024 * 1024", "SET GLOBAL max_recursive_iterations = 100000000")
	return s
}

func mariadbDSN(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		panic(err) // servertest has made it
	}
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr, c.DBName = u.User.Username(), "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
	c.Passwd, _ = u.User.Password()
	return c.FormatDSN()
}

func (s *fillServer) open(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open(s.driver, s.dsn(url))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func (s *fillServer) do(t *testing.T, url string, statements ...string) {
	t.Helper()
	db := s.open(t, url)
	defer db.Close()
	for _, text := range statements {
		if _, err := db.Exec(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

// database makes one with a table of so many rows, and returns its URL.
func (s *fillServer) database(t *testing.T, rows int) (at string, drop func()) {
	t.Helper()
	s.made++
	name := fmt.Sprintf("fill%d", s.made)
	s.do(t, s.url, "CREATE DATABASE "+name)
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	s.do(t, u.String(),
		"CREATE TABLE accounts (id bigint PRIMARY KEY, name varchar(40) NOT NULL, balance int NOT NULL, about varchar(100) NOT NULL)",
		fmt.Sprintf("INSERT INTO accounts WITH RECURSIVE s (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM s WHERE id < %d) SELECT id, concat('name ', id), 0, 'some words that make a row as long as rows often are' FROM s", rows))
	if s.driver == "pgx" {
		s.do(t, u.String(), "VACUUM ANALYZE accounts", "CHECKPOINT")
	}
	return u.String(), func() { s.do(t, s.url, "DROP DATABASE "+name) }
}

// A filled is what filling took, and what CPU time of the server, in seconds, and the
// 99th percentile of others before and meanwhile, in milliseconds.
type filled struct{ took, cpu, before, during float64 }

func (s *fillServer) fill(t *testing.T, rows int, among bool, by func(t *testing.T, url string) func()) filled {
	t.Helper()
	at, drop := s.database(t, rows)
	defer drop()
	run := by(t, at)
	var f filled
	others := func(do func()) float64 { do(); return 1 }
	if among {
		db := s.open(t, at)
		defer db.Close()
		db.SetMaxIdleConns(64)
		db.SetMaxOpenConns(64)
		others = func(do func()) float64 { return s.others(t, db, rows, do) }
		others(func() { time.Sleep(span / 2) }) // to be warm
		f.before = others(func() { time.Sleep(span) })
	}
	f.during = others(func() {
		began, cpu := time.Now(), s.cpu(t)
		run()
		f.took, f.cpu = time.Since(began).Seconds(), (s.cpu(t) - cpu).Seconds()
	})
	if !among {
		f.before = 1
	}
	return f
}

// cpu is the CPU time that the server has had.
func (s *fillServer) cpu(t *testing.T) time.Duration {
	all, err := cpuTime(s.server.Pid())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (s *fillServer) oneStatement(t *testing.T, at string) func() {
	s.do(t, at, "ALTER TABLE accounts ADD COLUMN shout varchar(40)")
	return func() { s.do(t, at, "UPDATE accounts SET shout = upper(name)") }
}

func (s *fillServer) segue(t *testing.T, at string) func() {
	db := s.change(t, at, fstest.MapFS{
		"0001_shout.expand.sql":   {Data: []byte("ALTER TABLE accounts ADD COLUMN shout varchar(40);\n")},
		"0001_shout.backfill.sql": {Data: []byte("-- segue: table=accounts\nUPDATE accounts SET shout = upper(name) WHERE {{range}};\n")},
	})
	return func() {
		if err := db.Backfill(t.Context()); err != nil {
			t.Error(err)
		}
		_ = db.Close()
	}
}

// change begins a change.
func (s *fillServer) change(t *testing.T, at string, files fstest.MapFS) *migrate.Database {
	t.Helper()
	set, err := migrate.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	told := time.Now()
	db, err := migrate.Open(t.Context(), at, migrate.Options{Progress: func(p migrate.Progress) {
		if time.Since(told) > 5*time.Second { // for whoever wonders what takes so long
			t.Logf("%d of %d rows, %.0f/s %s", p.Rows, p.Total, p.Rate, p.Waiting)
			told = time.Now()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Expand(t.Context(), set, false); err != nil {
		t.Fatal(err)
	}
	return db
}

// others sends transactions at a constant rate until do is done, and returns their
// 99th percentile in milliseconds. Time counts from the instant at which each was
// due.
func (s *fillServer) others(t *testing.T, db *sql.DB, rows int, do func()) float64 {
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	var took []time.Duration
	var sent sync.WaitGroup
	sent.Go(func() {
		for due := time.Now(); ctx.Err() == nil; due = due.Add(time.Second / othersRate) {
			if d := time.Until(due); d > 0 {
				time.Sleep(d)
			}
			sent.Go(func() {
				err := transact(t.Context(), db, rand.Int64N(int64(rows))+1)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				took = append(took, time.Since(due))
			})
		}
	})
	do()
	stop()
	sent.Wait()
	slices.Sort(took)
	return us(took[len(took)*99/100]) / 1000
}

func transact(ctx context.Context, db *sql.DB, id int64) error {
	var balance int64
	err := db.QueryRowContext(ctx, fmt.Sprintf("SELECT balance FROM accounts WHERE id = %d", id)).Scan(&balance)
	if err == nil {
		_, err = db.ExecContext(ctx, fmt.Sprintf("UPDATE accounts SET balance = %d WHERE id = %d", balance+1, id))
	}
	return err
}

// addShout is a migration in pgroll's words.
const addShout = `{"operations": [{"add_column": {"table": "accounts", "up": "upper(name)", "column": {"name": "shout", "type": "varchar(40)", "nullable": true}}}]}`

// TestBesidePgroll takes 50,000 rows through a change and back, by the same
// migration, with Segue and, if it is named, with pgroll.
func TestBesidePgroll(t *testing.T) {
	s := postgresToFill(t)
	var tab table
	tab.row("tool", "start (expand and backfill), ms", "rollback, ms", "complete (contract), ms")
	for name, by := range map[string]func(t *testing.T, at, phase string) time.Duration{"Segue": s.byOperations, "pgroll": pgroll} {
		if name == "pgroll" && os.Getenv(pgrollEnv) == "" {
			tab.row(name, "not measured: "+pgrollEnv+" names no binary", "", "")
			continue
		}
		var start, back, complete []float64
		for range rounds {
			at, drop := s.database(t, 50_000)
			start = append(start, us(by(t, at, "start"))/1000)
			back = append(back, us(by(t, at, "rollback"))/1000)
			by(t, at, "start")
			complete = append(complete, us(by(t, at, "complete"))/1000)
			drop()
		}
		tab.row(name, whole(median(start)), fmt.Sprintf("%.1f", median(back)), fmt.Sprintf("%.1f", median(complete)))
	}
	write(t, "pgroll", fmt.Sprintf("50,000 rows, add_column with up; %d rounds, medians.", rounds), tab, nil)
}

// byOperations does a phase of pgroll's with Segue, in this process.
func (s *fillServer) byOperations(t *testing.T, at, phase string) time.Duration {
	t.Helper()
	set, err := migrate.Load(fstest.MapFS{"0001_shout.json": {Data: []byte(addShout)}})
	if err != nil {
		t.Fatal(err)
	}
	db, err := migrate.Open(t.Context(), at, migrate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	began := time.Now()
	switch phase {
	case "start":
		err = errors.Join(db.Expand(t.Context(), set, false), db.Backfill(t.Context()))
	case "rollback":
		err = db.Rollback(t.Context(), false)
	case "complete":
		err = db.Contract(t.Context())
	}
	if err != nil {
		t.Fatalf("%s: %v", phase, err)
	}
	return time.Since(began)
}

// pgroll runs the binary for a phase.
func pgroll(t *testing.T, at, phase string) time.Duration {
	t.Helper()
	args := []string{"--postgres-url", at, phase}
	if phase == "start" {
		file := filepath.Join(t.TempDir(), "01_shout.json")
		if err := os.WriteFile(file, []byte(addShout), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
		if out, err := exec.Command(os.Getenv(pgrollEnv), "--postgres-url", at, "init").CombinedOutput(); err != nil {
			t.Fatalf("pgroll init: %v: %s", err, out)
		}
	}
	began := time.Now()
	if out, err := exec.Command(os.Getenv(pgrollEnv), args...).CombinedOutput(); err != nil {
		t.Fatalf("pgroll %s: %v: %s", phase, err, out)
	}
	return time.Since(began)
}
