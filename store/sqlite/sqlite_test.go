package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/sqlite"
	"github.com/seguehq/segue/store/storetest"
)

// patience is how long a test waits for what must happen.
const patience = servertest.Patience

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// raw opens the file as any other program would.
func raw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func exec(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func put(t testing.TB, s store.Store, w store.Write) store.Revision {
	t.Helper()
	r, err := s.Put(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a store's ?#%.db")
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, path) })
}

func TestFilesAreForTheUserAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	defer syscall.Umask(syscall.Umask(0)) // of the process: this test is not parallel
	s := open(t, path)
	put(t, s, store.Write{Key: "a"})
	for _, end := range []string{"", "-wal", "-shm", "-queue"} {
		info, err := os.Stat(path + end)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("store.db%s has permissions %v, want 0600", end, info.Mode().Perm())
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".new-*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

func TestALinkIsTheFileThatItLeadsTo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "store.db"))
	put(t, s, store.Write{Key: "a"})
	if err := os.Symlink("store.db", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, filepath.Join(dir, "link")).Get(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if made, _ := filepath.Glob(filepath.Join(dir, "link-*")); made != nil {
		t.Errorf("there are %v", made)
	}
}

func TestWhatIsWrongWithTheFileIsSaidWithItsMend(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(t *testing.T, path string) // makes the file what it should not be
		want  []string
	}{
		"the folder is missing": {func(t *testing.T, path string) {
			if err := os.Remove(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
		}, []string{"no such file or directory", "make the folder: mkdir -p -m 700 "}},
		"it is no database": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("not a database\n", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"file is not a database", "move it away with its -wal and -shm", ".recover"}},
		"it is another program's": {func(t *testing.T, path string) {
			exec(t, raw(t, path), "CREATE TABLE theirs (a)")
		}, []string{"it is another program's database; name another file"}},
		"a newer release has written it": {func(t *testing.T, path string) {
			if err := open(t, path).Close(); err != nil {
				t.Fatal(err)
			}
			exec(t, raw(t, path), "PRAGMA user_version = 99")
		}, []string{"format 99, this one knows 1", "use the newer package"}},
		"it is a folder": {func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, []string{"unable to open database file", "must be writable by the user"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "folder", "store.db")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			test.spoil(t, path)
			s, err := sqlite.Open(t.Context(), path)
			if err == nil {
				s.Close()
				t.Fatal("it was opened")
			}
			for _, want := range append(test.want, "sqlite store "+path+": open: ") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nlacks %q", err, want)
				}
			}
		})
	}
}

func TestDamageThatIsFoundLaterIsSaidWithItsMend(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	for n := range 100 {
		put(t, s, store.Write{Key: fmt.Sprint(n), Value: make([]byte, 2000)})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.WriteAt([]byte(strings.Repeat("x", int(info.Size())-4096)), 4096) // all but the first page
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	s, err = sqlite.Open(t.Context(), path)
	if err == nil {
		defer s.Close()
		_, err = s.Get(t.Context(), "1")
	}
	if err == nil || !strings.Contains(err.Error(), "the file is damaged") {
		t.Errorf("got %v", err)
	}
}

// What is written down is a moment of the clock that nobody sets: the one on the
// wall may jump as it likes.
func TestExpiryIsByTheMachinesClock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	var before, after unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &before)
	put(t, s, store.Write{Key: "a", TTL: time.Hour})
	if err := errors.Join(err, unix.ClockGettime(unix.CLOCK_BOOTTIME, &after)); err != nil {
		t.Fatal(err)
	}
	var expires int64
	if err := raw(t, path).QueryRow("SELECT expires FROM entries").Scan(&expires); err != nil {
		t.Fatal(err)
	}
	at := time.Duration(expires) * time.Microsecond
	if at < time.Duration(before.Nano()).Truncate(time.Microsecond)+time.Hour || at > time.Duration(after.Nano())+time.Hour {
		t.Errorf("it expires %v after the machine's start, which was %v ago when it was written", at, time.Duration(before.Nano()))
	}
}

// A restart of the machine is one in which the name of the boot changes, and the
// clock begins anew.
func TestARestartOfTheMachineTakesTimeAndRevisionsOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	put(t, s, store.Write{Key: "short", TTL: 30 * time.Minute})
	put(t, s, store.Write{Key: "ever"})
	last := put(t, s, store.Write{Key: "long", TTL: 3 * time.Hour})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// An hour passes meanwhile: what was at 12 o'clock then is at 13 o'clock now.
	exec(t, raw(t, path), "UPDATE meta SET value = 'another' WHERE key = 'boot'", "UPDATE meta SET value = value - 3600e6 WHERE key = 'wall'")
	s = open(t, path)
	if _, err := s.Get(t.Context(), "short"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("what has expired meanwhile: %v", err)
	}
	e, err := s.Get(t.Context(), "long")
	if left := time.Until(e.Expires); err != nil || left < 119*time.Minute || left > 2*time.Hour {
		t.Errorf("%v is left, %v; want 2 hours", left, err)
	}
	if e, err := s.Get(t.Context(), "ever"); err != nil || !e.Expires.IsZero() {
		t.Errorf("what never expires: %v, %v", e.Expires, err)
	}
	// Half a million writes may have been lost.
	if r := put(t, s, store.Write{Key: "new"}); r < last+500_000 {
		t.Errorf("revision %d after %d", r, last)
	}
}

func TestTheBoundOnRevisionsIsRaisedBeforeItIsReached(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	db := raw(t, path)
	exec(t, db, "INSERT INTO changes SELECT value - 1000, 0, '' FROM meta WHERE key = 'ceiling'")
	var last store.Revision
	for n := range 300 {
		last = put(t, s, store.Write{Key: fmt.Sprint(n)})
	}
	var ceiling store.Revision
	if err := db.QueryRow("SELECT value FROM meta WHERE key = 'ceiling'").Scan(&ceiling); err != nil || ceiling < last+500_000 {
		t.Errorf("the bound is %d, %v; the last revision %d", ceiling, err, last)
	}
}

func TestWhatHasExpiredIsRemoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	for n := range 500 {
		put(t, s, store.Write{Key: fmt.Sprint("short", n), TTL: time.Millisecond})
	}
	put(t, s, store.Write{Key: "long", TTL: time.Hour})
	db := raw(t, path)
	servertest.Eventually(t, "one entry is left", func() bool {
		var n int
		return db.QueryRow("SELECT count(*) FROM entries").Scan(&n) == nil && n == 1
	})
}

// Another program knows nothing of our queue.
func TestAnotherProgramsTransactionIsWaitedFor(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	put(t, s, store.Write{Key: "a", Value: []byte("one")})
	db := raw(t, path)
	exec(t, db, "BEGIN IMMEDIATE")
	if _, err := s.Get(t.Context(), "a"); err != nil {
		t.Errorf("reading waits: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Put(ctx, store.Write{Key: "a", Value: []byte("called off"), Expect: store.Any}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a write that was called off: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.Put(context.Background(), store.Write{Key: "a", Value: []byte("two"), Expect: store.Any})
		done <- err
	}()
	time.Sleep(300 * time.Millisecond) // longer than SQLite itself waits; nothing tells us of who waits
	exec(t, db, "COMMIT")
	if err := <-done; err != nil {
		t.Errorf("a write that had to wait: %v", err)
	}
	if e, err := s.Get(t.Context(), "a"); err != nil || string(e.Value) != "two" {
		t.Errorf("the entry has %q, %v", e.Value, err)
	}
}

// A process that is suspended while it stands in the queue has a place there, or
// the turn, and does not go on.
func TestASuspendedProcessInTheQueueStopsNobody(t *testing.T) {
	t.Parallel()
	for at, what := range []string{"the place", "the turn"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "store.db")
			s := open(t, path)
			f, err := os.OpenFile(path+"-queue", os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: int64(at), Len: 1}); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			for n := range 100 {
				put(t, s, store.Write{Key: fmt.Sprint(n)})
			}
			if took := time.Since(began); took > 20*time.Second { // 100 times waitInLine would be more
				t.Errorf("100 writes took %v", took)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A process that is suspended in the middle of a transaction.
func TestWaitingForASuspendedWriterCanBeCalledOff(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	exec(t, raw(t, path), "BEGIN IMMEDIATE")
	w, err := s.Watch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Put(ctx, store.Write{Key: "a"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("put: %v", err)
	}
	if _, err := s.Get(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("get: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.Put(context.Background(), store.Write{Key: "a"})
		done <- err
	}()
	time.Sleep(50 * time.Millisecond) // it waits by then; if not, it is refused all the same
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := <-done; !errors.Is(err, store.ErrClosed) {
		t.Errorf("the write that waited: %v", err)
	}
	if _, err := w.Next(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("the watcher: %v", err)
	}
}

func next(t *testing.T, w store.Watcher) store.Change {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := w.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWatchersAreWokenAndDoNotPoll(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	here, there := open(t, path), open(t, path)
	w, err := here.Watch(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	const times = 30
	var took time.Duration
	for end := time.Now().Add(patience); ; { // until the machine is not too busy with other things
		began := time.Now()
		for range times {
			put(t, there, store.Write{Key: "a", Expect: store.Any})
			if c := next(t, w); c.Key != "a" {
				t.Fatalf("told of %+v", c)
			}
		}
		if took = time.Since(began); took < times*100*time.Millisecond { // polling: 250 each on average
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d changes took %v, and never less", times, took)
		}
	}
}

// A process that is killed between its commit and its waking of others.
func TestAChangeIsToldThoughItsWriterDidNot(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	w, err := s.Watch(t.Context(), "a/")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, raw(t, path), "INSERT INTO changes SELECT max(revision) + 1, 7, 'b' || x'00' || 'a/1' FROM changes")
	if c := next(t, w); c.Key != "a/1" {
		t.Errorf("told of %+v", c)
	}
}

func TestAWatcherThatIsTooFarBehindIsTold(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	w, err := s.Watch(t.Context(), "a/")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, raw(t, path), "BEGIN IMMEDIATE", "INSERT INTO changes SELECT max(revision) + 100000, 7, 'b' FROM changes",
		"DELETE FROM changes WHERE revision < (SELECT max(revision) FROM changes)", "COMMIT")
	if c := next(t, w); !c.Missed {
		t.Errorf("told of %+v, want it to have missed some", c)
	}
}

func TestChangesAreNotKeptForEver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	db := raw(t, path)
	exec(t, db, "INSERT INTO changes SELECT max(revision) + 100000, 7, 'b' FROM changes")
	for range 300 {
		put(t, s, store.Write{Key: "a", Expect: store.Any})
	}
	var n int
	if err := db.QueryRow("SELECT count(*) FROM changes WHERE revision < 100000").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d old changes are kept, %v", n, err)
	}
}

func TestCloseLetsGoOfEveryFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	put(t, s, store.Write{Key: "a"})
	if _, err := s.Get(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Watch(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(fds) == 0 {
		t.Fatalf("no open files are to be seen: %v", err)
	}
	for _, fd := range fds {
		if to, _ := os.Readlink(fd); strings.HasPrefix(to, path) {
			t.Errorf("%s is open", to)
		}
	}
}

func TestAFileThatIsRemovedOrReplacedInUseIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	old := open(t, path)
	put(t, old, store.Write{Key: "lock"})
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + end); err != nil {
			t.Fatal(err)
		}
	}
	put(t, open(t, path), store.Write{Key: "lock"}) // another file's
	var err error
	servertest.Eventually(t, "it is refused", func() bool { _, err = old.Get(t.Context(), "lock"); return err != nil })
	if !strings.Contains(err.Error(), "start the programs that use it again") {
		t.Error(err)
	}
	if _, err := old.Put(t.Context(), store.Write{Key: "b"}); err == nil || !strings.Contains(err.Error(), "was removed") {
		t.Error(err)
	}
}

// A power cut leaves the WAL as far as it had come to the disk.
func TestAPowerCutLosesTheEndAndNothingElse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	const entries = 200
	var last store.Revision
	for n := range entries {
		last = put(t, s, store.Write{Key: fmt.Sprintf("%03d", n), Value: make([]byte, 700)})
	}
	db, wal := read(t, path), read(t, path+"-wal")
	for _, part := range []float64{0.97, 0.5, 0.21} {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			cut := filepath.Join(t.TempDir(), "cut.db")
			if err := errors.Join(os.WriteFile(cut, db, 0o600), os.WriteFile(cut+"-wal", wal[:int(part*float64(len(wal)))], 0o600)); err != nil {
				t.Fatal(err)
			}
			exec(t, raw(t, cut), "UPDATE meta SET value = 'another' WHERE key = 'boot'") // the machine was started again
			s := open(t, cut)
			n := 0
			for e, err := range s.List(t.Context(), "") {
				if err != nil || e.Key != fmt.Sprintf("%03d", n) || len(e.Value) != 700 {
					t.Fatalf("entry %d is %s with %d bytes, %v", n, e.Key, len(e.Value), err)
				}
				n++
			}
			if n == 0 || n == entries {
				t.Errorf("%d of %d entries are there: nothing was cut", n, entries)
			}
			if r := put(t, s, store.Write{Key: "new"}); r <= last {
				t.Errorf("revision %d after %d", r, last)
			}
		})
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path) // which takes this process's locks from it: nobody uses the store any more
	if err != nil {
		t.Fatal(err)
	}
	return data
}
