package journal

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/seguehq/segue/internal/deploy"
)

// childEnv makes this test binary a process that writes a journal: the value
// is its path. It prints the sequence number of each step that is written.
const childEnv = "SEGUE_TEST_JOURNAL"

// limitEnv limits the size of the child's files, in bytes.
const limitEnv = "SEGUE_TEST_JOURNAL_LIMIT"

func child(path string) {
	j, err := Open(path)
	if err == nil {
		err = writeOn(j, limit())
	}
	fmt.Println("error", strings.ReplaceAll(err.Error(), "\n", " "))
}

// limit is called when the journal is open, so that it is writing that fails.
func limit() (set func()) {
	n, err := strconv.ParseUint(os.Getenv(limitEnv), 10, 64)
	if err != nil {
		return func() {}
	}
	signal.Ignore(syscall.SIGXFSZ) // then write returns EFBIG
	return func() {
		_ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}) // shows as no error at all
	}
}

// writeOn rolls for ever, until writing fails.
func writeOn(j *Journal, limit func()) error {
	ctx := context.Background()
	open, err := j.Open(ctx)
	if err != nil {
		return err
	}
	for _, r := range open { // what the one that was killed has left
		if err := j.Append(ctx, step(r, deploy.StepEnd, "", "")); err != nil {
			return err
		}
	}
	limit()
	for {
		r := deploy.Rollout{Service: "web", Kind: deploy.KindDeploy, To: 1, Phase: deploy.Forward, Began: day}
		s, err := j.Begin(ctx, &r)
		if err != nil {
			return err
		}
		fmt.Println(s.Seq)
		i := deploy.Instance{Service: "web", Release: 1, Gen: r.ToGen, Started: day}
		if s, err = j.Start(ctx, r.ID, &i); err != nil {
			return err
		}
		fmt.Println(s.Seq)
		for _, v := range []deploy.Verb{deploy.StepReady, deploy.StepShift, deploy.StepDrain, deploy.StepStop, deploy.StepGone, deploy.StepEnd} {
			s := step(r, v, i.ID, strings.Repeat("note ", 100))
			if err := j.Append(ctx, s); err != nil {
				return err
			}
			fmt.Println(s.Seq)
		}
	}
}

// A writer is the child process.
type writer struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func startWriter(t *testing.T, path string, env ...string) *writer {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childEnv+"="+path), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended, unless the test failed
		_ = cmd.Wait()
	})
	return &writer{cmd, bufio.NewScanner(out)}
}

// until reads so many numbers, or all, and returns the last, and the error.
func (w *writer) until(n int) (last int64, failure string) {
	for ; n != 0 && w.lines.Scan(); n-- {
		if text, ok := strings.CutPrefix(w.lines.Text(), "error "); ok {
			return last, text
		}
		if seq, err := strconv.ParseInt(w.lines.Text(), 10, 64); err == nil {
			last = seq
		}
	}
	return last, ""
}

// Killed at any instant, the writer leaves a journal that holds every step
// which it was told is written, and no half of one.
func TestKilledWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "segue.db")
	for round := range 5 {
		w := startWriter(t, path)
		last, failure := w.until(11 + 7*round)
		if failure != "" {
			t.Fatal(failure)
		}
		_ = w.cmd.Process.Kill()
		if more, _ := w.until(-1); more > last { // what it said before it died
			last = more
		}
		checkWhole(t, path, last)
	}
}

// checkWhole looks whether a journal is sound, and holds all steps to the last.
func checkWhole(t *testing.T, path string, last int64) {
	t.Helper()
	j := openAt(t, path)
	defer j.Close()
	var sound string
	if err := j.db.QueryRow("PRAGMA integrity_check").Scan(&sound); err != nil || sound != "ok" {
		t.Fatalf("integrity: %s %v", sound, err)
	}
	var n, highest int64
	if err := j.db.QueryRow("SELECT count(*), coalesce(max(seq), 0) FROM steps").Scan(&n, &highest); err != nil {
		t.Fatal(err)
	}
	if n != highest || highest < last || highest > last+1 {
		t.Errorf("%d steps, up to %d; the writer was told of %d", n, highest, last)
	}
	// Each instance is where its last step has put it.
	rows, err := j.db.Query(`SELECT i.id, i.state, (SELECT verb FROM steps s WHERE s.instance = i.id AND verb != 'end' ORDER BY seq DESC LIMIT 1) FROM instances i`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var state deploy.State
		var verb deploy.Verb
		if err := rows.Scan(&id, &state, &verb); err != nil {
			t.Fatal(err)
		}
		want, ok := after[verb]
		if verb == deploy.StepStart {
			want, ok = deploy.Starting, true
		}
		if !ok || state != want {
			t.Errorf("%s is %s after step %s", id, state, verb)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// A file system that takes no more gives an error that says so, and leaves
// what was written before.
func TestFileTooLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "segue.db")
	w := startWriter(t, path, limitEnv+"=500000")
	last, failure := w.until(-1)
	if last < 10 || !strings.Contains(failure, "journal "+path) {
		t.Fatalf("after step %d: %q", last, failure)
	}
	t.Log(failure)
	if err := w.cmd.Wait(); err != nil {
		t.Error(err)
	}
	checkWhole(t, path, last)
}

// A full disk is told as one, nothing of the step is written, and the same
// step is written once there is room again.
func TestDiskFull(t *testing.T) {
	j := open(t)
	r := begin(t, j, deploy.Rollout{To: 1})
	i := start(t, j, r)
	if _, err := j.db.Exec("PRAGMA max_page_count = 1"); err != nil { // SQLite makes it the present size
		t.Fatal(err)
	}
	s := step(r, deploy.StepReady, i.ID, strings.Repeat("x", 100_000))
	err := j.Append(t.Context(), s)
	if err == nil || !strings.Contains(err.Error(), "full") || !strings.Contains(err.Error(), `write step "ready" of web`) {
		t.Fatalf("%v", err)
	}
	if got := stateOf(t, j, i.ID); got != deploy.Starting {
		t.Errorf("the instance is %s", got)
	}
	if steps := must(j.Steps(t.Context(), r.ID, 0))(t); len(steps) != 2 {
		t.Errorf("%d steps", len(steps))
	}
	if _, err := j.db.Exec("PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	write(t, j, s)
	if got := stateOf(t, j, i.ID); got != deploy.Ready {
		t.Errorf("the instance is %s", got)
	}
}
