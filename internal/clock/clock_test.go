package clock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

var monday = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func TestSystemWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := time.Now()
		if err := Sleep(t.Context(), System{}, 3*time.Hour); err != nil || time.Since(from) != 3*time.Hour {
			t.Errorf("after %s: %v", time.Since(from), err)
		}
		if err := (System{}).Wait(t.Context(), from); err != nil {
			t.Error(err)
		}
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			time.Sleep(time.Minute)
			cancel(gone)
		}()
		if err := Sleep(ctx, System{}, time.Hour); err != gone {
			t.Errorf("called off: %v", err)
		}
		if err := (System{}).Wait(ctx, from); err != gone {
			t.Errorf("called off before: %v", err)
		}
	})
}

func TestFakeWakesWhoseTimeHasCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFake(monday)
		woken := make(chan error, 1)
		go func() { woken <- Sleep(t.Context(), f, time.Hour) }()
		synctest.Wait()
		f.Advance(59 * time.Minute)
		f.Set(monday.Add(-time.Hour))
		synctest.Wait()
		if len(woken) > 0 {
			t.Fatal("woken too early")
		}
		f.Set(monday.Add(time.Hour))
		if err := <-woken; err != nil {
			t.Error(err)
		}
	})
}

// TestFollow: when Set returns, the time has arrived.
func TestFollow(t *testing.T) {
	addr := fmt.Sprintf("@segue-clock-%d", os.Getpid())
	lead, err := Lead(addr, monday)
	if err != nil {
		t.Fatal(err)
	}
	defer lead.Close()
	ctx, cancel := context.WithCancel(t.Context())
	c, follow, err := Follow(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() { defer close(over); follow(ctx) }()
	for n := range 100 {
		lead.Advance(time.Minute)
		if want := monday.Add(time.Duration(n+1) * time.Minute); !c.Now().Equal(want) {
			t.Fatalf("it shows %s, want %s", c.Now(), want)
		}
	}
	cancel()
	<-over
	lead.Advance(time.Minute) // nobody follows any more
	if want := monday.Add(100 * time.Minute); !c.Now().Equal(want) {
		t.Errorf("it went on without a leader: %s", c.Now())
	}
}
