package queue

import (
	"testing"
	"time"

	"github.com/seguehq/segue/store"
)

// A clock that has gone back, as that of a machine which was started anew, makes
// no lease longer than it was granted.
func TestAClockThatGoesBackMakesNoLeaseLonger(t *testing.T) {
	var last store.Revision
	next := func() store.Revision { last++; return last }
	ask := func(l *Lock, id string, at time.Duration) store.LockGrant {
		g, _ := l.Acquire(store.LockRequest{Key: "k", ID: id, Lease: time.Minute, Place: time.Minute}, Now{Lease: at}, next)
		return g
	}
	var l Lock
	ask(&l, "a", time.Hour)
	if g := ask(&l, "b", time.Second); g.Token != 0 || g.Holder.Left != time.Minute {
		t.Fatalf("b got %+v", g)
	}
	if g := ask(&l, "c", time.Second+time.Minute); g.Holder.ID == "a" {
		t.Errorf("a minute later %+v", g)
	}
}

// Any call finds that the holder is dead, also one by who has nothing to do with
// the lock any more.
func TestWhoeverComesHandsTheLockOn(t *testing.T) {
	for name, call := range map[string]func(l *Lock, now Now, next func() store.Revision) (wake string){
		"extend": func(l *Lock, now Now, next func() store.Revision) string {
			_, wake := l.Extend("dead", 1, now, next)
			return wake
		},
		"release": func(l *Lock, now Now, next func() store.Revision) string {
			_, wake := l.Release("dead", now, next)
			return wake
		},
	} {
		var last store.Revision
		next := func() store.Revision { last++; return last }
		var l Lock
		l.Acquire(store.LockRequest{Key: "k", ID: "dead", Lease: time.Second, Place: time.Second}, Now{}, next)
		l.Acquire(store.LockRequest{Key: "k", ID: "b", Wake: "wake b", Lease: time.Minute, Place: time.Minute}, Now{}, next)
		if wake := call(&l, Now{Lease: 2 * time.Second}, next); wake != "wake b" {
			t.Errorf("%s wakes %q", name, wake)
		}
		if s, held := l.State("k", Now{Lease: 2 * time.Second}); !held || s.Holder.ID != "b" || s.Token != 2 {
			t.Errorf("%s: then %+v", name, s)
		}
	}
}
