package sqlite

import (
	"path/filepath"
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
		waits(t, looker)
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

// waits returns when somebody waits for the turn. The kernel tells nobody of it.
func waits(t *testing.T, q *queue) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Microsecond) {
		place := unix.Flock_t{Type: unix.F_WRLCK, Start: 0, Len: 1}
		if err := unix.FcntlFlock(uintptr(q.fd), unix.F_OFD_GETLK, &place); err != nil {
			t.Fatal(err)
		}
		if place.Type != unix.F_UNLCK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody waits")
		}
	}
}
