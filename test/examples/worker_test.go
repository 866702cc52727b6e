package examples

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/test/harness"
)

// TestWorker replaces the worker while jobs come in. Nothing in the worker keeps
// two of it from taking the same job; that each is done exactly once shows that
// two never ran.
func TestWorker(t *testing.T) {
	t.Parallel()
	w := copied(t, "worker")
	queue, done := filepath.Join(w.Dir, "queue"), filepath.Join(t.TempDir(), "done")
	w.Env = []string{"QUEUE=" + queue, "DONE=" + done}
	w.Agent()
	w.Must(0, "deploy")
	stop := make(chan struct{})
	given := make(chan int)
	go give(t, queue, stop, given)
	said := "hello"
	for n := range deploys() {
		next := fmt.Sprint("hello", n+2)
		edit(w, "worker.sh", said, next)
		w.Must(0, "deploy")
		said = next
	}
	w.Must(0, "rollback")
	close(stop)
	jobs := <-given
	w.Until("the queue is empty", func() bool {
		left, err := filepath.Glob(filepath.Join(queue, "*.job"))
		return err == nil && len(left) == 0
	})
	once(t, w, done, jobs)
}

// give writes jobs until it is told to stop, and then says how many it gave.
func give(t *testing.T, queue string, stop <-chan struct{}, given chan<- int) {
	n := 0
	defer func() { given <- n }()
	for {
		select {
		case <-stop:
			return
		default:
		}
		// Under another name first: a worker must not see half a job.
		tmp := filepath.Join(queue, "new")
		err := os.WriteFile(tmp, nil, 0o600)
		if err == nil {
			err = os.Rename(tmp, filepath.Join(queue, fmt.Sprintf("%06d.job", n)))
		}
		if err != nil {
			t.Error(err)
			return
		}
		n++
		time.Sleep(30 * time.Millisecond) // the rate at which jobs come
	}
}

// once fails the test unless every job was done exactly once, by several
// releases.
func once(t *testing.T, w *harness.World, done string, jobs int) {
	t.Helper()
	data, err := os.ReadFile(done)
	if err != nil {
		t.Fatal(err)
	}
	times, by := map[string]int{}, map[string]int{}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		times[f[0]]++
		by[f[2]]++
	}
	for n := range jobs {
		if got := times[fmt.Sprintf("%06d", n)]; got != 1 {
			t.Errorf("job %d was done %d times", n, got)
		}
	}
	t.Logf("%d jobs, done by release: %v", jobs, by)
	if len(by) < deploys() {
		t.Errorf("done by %v; want work by at least %d releases", by, deploys())
	}
}
