package sqlite

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Who has had a turn and wants another stands behind those who wait, though he is
// awake and they have to be woken.
func TestNobodyOvertakesWhoWaits(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue")
	handle := func() *queue {
		q, err := openQueue(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = q.close() })
		q.patience = time.Minute // this machine may be slow, and nobody is suspended
		return q
	}
	greedy, patient, looker := handle(), handle(), handle()
	for round := range 100 {
		if !greedy.lock() {
			t.Fatal("nobody is before it, and it has no turn")
		}
		turns := make(chan string, 2)
		go func() {
			if !patient.lock() {
				turns <- "patient, out of turn"
				return
			}
			turns <- "patient"
			patient.unlock()
		}()
		waits(t, patient, looker)
		if looker.tryLock() {
			t.Fatal("one who only tries gets in")
		}
		greedy.unlock()
		if !greedy.lock() {
			t.Fatal("it has waited for too long")
		}
		turns <- "greedy"
		greedy.unlock()
		if first := <-turns; first != "patient" {
			t.Fatalf("round %d: %s comes first", round, first)
		}
	}
}

// In a long queue one waits for longer than a suspended process is waited for.
func TestALongQueueIsWaitedFor(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue")
	const members = 8
	const each = patience / 6 // of a turn
	var all sync.WaitGroup
	for range members {
		q, err := openQueue(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = q.close() })
		q.patience = patience
		all.Go(func() {
			if !q.lock() {
				t.Error("it was given up, though all go on")
				return
			}
			time.Sleep(each)
			q.unlock()
		})
	}
	all.Wait()
}

// Who has stepped aside for a suspended process has its place again when that goes
// on, and its turn in the end.
func TestTheQueueIsUsedAgainWhenASuspendedProcessGoesOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue")
	var queues [3]*queue
	for n := range queues {
		q, err := openQueue(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = q.close() })
		queues[n], q.patience = q, 10*time.Millisecond
	}
	suspended, patient, other := queues[0], queues[1], queues[2]
	if !suspended.tryLock() {
		t.Fatal("nobody is before it, and it has no turn")
	}
	for range 2 { // asked again, it has stepped aside before
		if patient.lock() {
			t.Fatal("two have the turn")
		}
	}
	patient.patience = time.Minute
	suspended.unlock()
	if !patient.lock() {
		t.Fatal("it has given up, though all go on")
	}
	if other.tryLock() {
		t.Fatal("two have the turn")
	}
	patient.unlock()
	if !other.lock() {
		t.Fatal("it is not given on")
	}
	other.unlock()
}

// patience of a test in which turns are long.
const patience = 3 * time.Second

// waits returns when q stands next, which the kernel tells nobody. Who has merely
// tried, and has had that place for a moment, does not stand there.
func waits(t *testing.T, q, looker *queue) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Microsecond) {
		q.mu.Lock()
		stands := q.standing != nil
		q.mu.Unlock()
		place := unix.Flock_t{Type: unix.F_WRLCK, Start: 0, Len: 1}
		if err := looker.fcntl(unix.F_OFD_GETLK, &place); err != nil {
			t.Fatal(err)
		}
		if stands && place.Type != unix.F_UNLCK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody waits")
		}
	}
}
