package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/sqlite"
)

// roles are what this test binary does when it is run anew as another process,
// with the path of the store. What goes wrong they print, and end.
var roles = map[string]func(s *sqlite.Store, name string) error{"count": countForEver, "fill": fillTheDisk, "disk": readOnlyDisk}

func TestMain(m *testing.M) {
	role := os.Getenv("SQLITE_TEST_ROLE")
	if role == "" {
		os.Exit(m.Run())
	}
	if err := play(role, os.Getenv("SQLITE_TEST_PATH"), os.Getenv("SQLITE_TEST_NAME")); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

func play(role, path, name string) error {
	if role == "visit" {
		return comeAndGo(path, name)
	}
	if role != "count" {
		if err := smallDisk(path); err != nil {
			return err
		}
	}
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return err
	}
	defer s.Close()
	return roles[role](s, name)
}

// process starts a process of the role; it ends with the test.
func process(t *testing.T, role, path, name string, flags uintptr) (*osexec.Cmd, io.Reader) {
	t.Helper()
	cmd := osexec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SQLITE_TEST_ROLE="+role, "SQLITE_TEST_PATH="+path, "SQLITE_TEST_NAME="+name,
		"GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	if flags != 0 && os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, out
}

// countForEver adds one to a number that all share, by compare and swap, and
// makes an entry of its own each time. It prints each number that it has written,
// with its revision.
func countForEver(s *sqlite.Store, name string) error {
	ctx := context.Background()
	for n := 0; ; n++ {
		e, err := s.Get(ctx, "number")
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		number, _ := strconv.Atoi(string(e.Value)) // there is none at first
		r, err := s.Put(ctx, store.Write{Key: "number", Value: strconv.AppendInt(nil, int64(number+1), 10), Expect: e.Revision})
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		key := fmt.Sprintf("%s/%d", name, n)
		if _, err := s.Put(ctx, store.Write{Key: key, Value: []byte(key), TTL: time.Hour}); err != nil {
			return err
		}
		fmt.Println("wrote", number+1, r, key)
	}
}

// wrote is a line of countForEver.
type wrote struct {
	number   int
	revision store.Revision
	key      string
}

// listen reads what a process has written, until it is killed, and counts.
func listen(t *testing.T, out io.Reader, count *atomic.Int64) []wrote {
	var all []wrote
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var w wrote
		if _, err := fmt.Sscanf(lines.Text(), "wrote %d %d %s", &w.number, &w.revision, &w.key); err != nil {
			t.Errorf("a process says: %s", lines.Text())
			return all
		}
		all = append(all, w)
		count.Add(1)
	}
	return all
}

func TestProcessesThatAreKilledLoseNothingAndBlockNobody(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	const processes = 4
	kills := 5
	if os.Getenv("SEGUE_SOAK") != "" {
		kills = 200
	}
	var mu sync.Mutex
	var all []wrote
	var each sync.WaitGroup
	for n := range processes {
		each.Go(func() {
			for kill := range kills {
				var count atomic.Int64
				cmd, out := process(t, "count", path, fmt.Sprintf("%d.%d", n, kill), 0)
				heard := make(chan []wrote, 1)
				go func() { heard <- listen(t, out, &count) }()
				servertest.Eventually(t, "it writes", func() bool { return count.Load() >= 20 || t.Failed() })
				_ = cmd.Process.Kill() // in the middle of whatever it does
				got := <-heard
				mu.Lock()
				all = append(all, got...)
				mu.Unlock()
			}
		})
	}
	each.Wait()
	s := open(t, path)
	began := time.Now()
	put(t, s, store.Write{Key: "after"})
	if took := time.Since(began); took > patience/2 {
		t.Errorf("after all were killed, a write took %v", took)
	}
	checkWritten(t, s, all, processes*kills)
	var sound string
	if err := raw(t, path).QueryRow("PRAGMA integrity_check").Scan(&sound); err != nil || sound != "ok" {
		t.Errorf("the file's integrity: %s, %v", sound, err)
	}
}

// checkWritten finds all that was written, and at most one more number for each
// process that was killed: it was not told of its last.
func checkWritten(t *testing.T, s *sqlite.Store, all []wrote, killed int) {
	t.Helper()
	for _, w := range all {
		if e, err := s.Get(t.Context(), w.key); err != nil || string(e.Value) != w.key {
			t.Errorf("%s was written and is %q, %v", w.key, e.Value, err)
		}
	}
	slices.SortFunc(all, func(a, b wrote) int { return a.number - b.number })
	for n, w := range all[1:] {
		if w.number == all[n].number || w.revision <= all[n].revision {
			t.Errorf("%+v was written after %+v", w, all[n])
		}
	}
	e, err := s.Get(t.Context(), "number")
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(string(e.Value))
	if err != nil || number < len(all) || number > len(all)+killed {
		t.Errorf("the number is %q; %d were added and %d processes killed", e.Value, len(all), killed)
	}
}

func TestProcessesTakeTurns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	const processes = 3
	var counts [processes]atomic.Int64
	var heard sync.WaitGroup
	var cmds []*osexec.Cmd
	for n := range processes {
		cmd, out := process(t, "count", path, fmt.Sprint(n), 0)
		cmds = append(cmds, cmd)
		heard.Go(func() { listen(t, out, &counts[n]) })
	}
	least := func() int64 {
		least := counts[0].Load()
		for n := range counts {
			least = min(least, counts[n].Load())
		}
		return least
	}
	servertest.Eventually(t, "all write", func() bool { return least() > 0 || t.Failed() })
	var before, most [processes]int64
	for n := range counts {
		before[n] = counts[n].Load()
	}
	servertest.Eventually(t, "all write", func() bool { return least() >= 100 || t.Failed() })
	for n := range counts {
		most[n] = counts[n].Load() - before[n]
	}
	for _, cmd := range cmds {
		_ = cmd.Process.Kill()
	}
	heard.Wait()
	// They are not equal: the one that swaps in vain has had its turn as well.
	if slices.Max(most[:]) > 5*slices.Min(most[:]) {
		t.Errorf("they have written %v times in the same time", most)
	}
}

// comeAndGo opens and closes the store again and again: who is the last to close
// it removes the WAL while others arrive.
func comeAndGo(path, name string) error {
	ctx := context.Background()
	for n := range 25 {
		s, err := sqlite.Open(ctx, path)
		if err != nil {
			return err
		}
		key := fmt.Sprintf("%s/%d", name, n)
		if _, err := s.Put(ctx, store.Write{Key: key}); err != nil {
			return err
		}
		if _, err := s.Get(ctx, key); err != nil {
			return err
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	return nil
}

func TestProcessesThatComeAndGoAreNeverTurnedAway(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	var all sync.WaitGroup
	for n := range 4 {
		_, out := process(t, "visit", path, fmt.Sprint(n), 0)
		all.Go(func() {
			if said, err := io.ReadAll(out); err != nil || len(said) > 0 {
				t.Errorf("it says %s, %v", said, err)
			}
		})
	}
	all.Wait()
	n := 0
	for _, err := range open(t, path).List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 100 {
		t.Errorf("they have written %d entries, want 100", n)
	}
}

// smallDisk makes the folder of the path a disk of a megabyte, for this process
// alone.
func smallDisk(path string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("a mount namespace: %w", err)
	}
	return syscall.Mount("tmpfs", filepath.Dir(path), "tmpfs", 0, "size=1m")
}

// fillTheDisk writes until it is full, then makes room.
func fillTheDisk(s *sqlite.Store, name string) error {
	ctx, ballast := context.Background(), filepath.Join(name, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 200<<10), 0o600); err != nil {
		return err
	}
	var full error
	written := 0
	for ; full == nil && written < 1000; written++ {
		_, full = s.Put(ctx, store.Write{Key: fmt.Sprint(written), Value: make([]byte, 5000)})
	}
	if full == nil || !strings.Contains(full.Error(), "make room on the disk") {
		return fmt.Errorf("%d entries of 5000 bytes in a megabyte: %w", written, full)
	}
	for n := range written - 1 {
		if _, err := s.Get(ctx, fmt.Sprint(n)); err != nil {
			return err
		}
	}
	if err := os.Remove(ballast); err != nil {
		return err
	}
	if _, err := s.Put(ctx, store.Write{Key: "again"}); err != nil {
		return fmt.Errorf("after room was made: %w", err)
	}
	fmt.Println("fine", full)
	return nil
}

// readOnlyDisk has the disk become read-only, as file systems do that fail.
func readOnlyDisk(s *sqlite.Store, name string) error {
	if _, err := s.Put(context.Background(), store.Write{Key: "a"}); err != nil {
		return err
	}
	path := filepath.Join(name, "store.db")
	if err := s.Close(); err != nil {
		return err
	}
	if err := syscall.Mount("", name, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		return err
	}
	_, err := sqlite.Open(context.Background(), path)
	if err == nil || !strings.Contains(err.Error(), "must be writable by the user") {
		return fmt.Errorf("opened on a read-only disk: %w", err)
	}
	fmt.Println("fine", err)
	return nil
}

func TestAFullOrReadOnlyDiskIsSaidWithItsMendAndDamagesNothing(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"fill", "disk"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, out := process(t, role, filepath.Join(dir, "store.db"), dir, syscall.CLONE_NEWNS)
			said, err := io.ReadAll(out)
			if err != nil || !strings.HasPrefix(string(said), "fine") {
				t.Errorf("it says %s, %v", said, err)
			}
			t.Logf("%s", said)
		})
	}
}
