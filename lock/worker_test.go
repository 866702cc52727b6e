package lock_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"net/rpc"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/lock"
)

// workerEnv makes the test binary a worker on the store that it names.
const workerEnv = "SEGUE_LOCK_WORKER"

func TestMain(m *testing.M) {
	if at := os.Getenv(workerEnv); at != "" {
		if err := work(at); err != nil {
			log.Fatalf("worker %s: %v", os.Getenv("WORKER"), err)
		}
		return
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil { // these tests wait more than they work
		log.Fatal(err)
	}
	os.Exit(m.Run())
}

// An operation is what a worker did, and when by the clock that all processes of
// the machine share. It is written down twice: before, without Return, and after.
type operation struct {
	Worker int    `json:"-"`
	ID     int64  // within the worker
	Kind   string // acquire, look, write, read, said
	Call   int64
	Return int64
	Token  int64
	Value  int64
	OK     bool   // granted; still held; accepted
	Text   string // what was said
}

// A hand does a worker's operations.
type hand struct {
	register *rpc.Client
	out      *json.Encoder
	last     atomic.Int64
	hold     atomic.Bool // the next grant until it is lost
}

func instant() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		log.Fatal(err)
	}
	return t.Nano()
}

// do writes an operation down before and after it is done.
func (h *hand) do(o operation, do func(*operation) error) error {
	o.ID, o.Call = h.last.Add(1), instant()
	if err := h.out.Encode(o); err != nil {
		return err
	}
	err := do(&o)
	if err != nil {
		return err // and nobody knows whether it was done
	}
	o.Return = instant()
	return h.out.Encode(o)
}

func (h *hand) say(what string, token int64) error {
	return h.do(operation{Kind: "said", Text: what, Token: token}, func(*operation) error { return nil })
}

// work takes the lock again and again until its standard input ends.
func work(at string) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s, err := servertest.Open(ctx, at)
	if err != nil {
		return err
	}
	defer s.Close()
	if os.Getenv("ENTRIES") == "true" {
		s = plain{s}
	}
	register, err := rpc.Dial("unix", os.Getenv("REGISTER"))
	if err != nil {
		return err
	}
	defer register.Close()
	h := &hand{register: register, out: json.NewEncoder(os.Stdout)}
	go func() {
		defer stop()
		for commands := bufio.NewScanner(os.Stdin); commands.Scan(); {
			h.hold.Store(true)
		}
	}()
	l := lock.New(s, lock.Lease(faultLease))
	for ctx.Err() == nil {
		if err := h.turn(ctx, l); err != nil && !errors.Is(err, lock.ErrLost) && ctx.Err() == nil {
			if err := h.say("error: "+err.Error(), 0); err != nil { // the store is away
				return err
			}
		}
	}
	return nil
}

// turn is one grant.
func (h *hand) turn(ctx context.Context, l *lock.Locks) error {
	asked := operation{Kind: "acquire", ID: h.last.Add(1), Call: instant()}
	return l.Do(ctx, "k", func(ctx context.Context) error {
		asked.Return, asked.Token, asked.OK = instant(), lock.Token(ctx), true
		if err := h.out.Encode(asked); err != nil {
			return err
		}
		if !h.hold.Swap(false) {
			return h.writes(ctx, 1+rand.IntN(3))
		}
		// Not at once: a process that is suspended while it writes to a SQLite store
		// keeps all others from writing, as that says.
		if err := h.writes(ctx, 1); err != nil {
			return err
		}
		if err := h.say("holding", lock.Token(ctx)); err != nil {
			return err
		}
		for ctx.Err() == nil {
			if err := h.writes(ctx, 1); err != nil {
				return err
			}
		}
		return h.late(ctx)
	})
}

// writes looks whether the lock is held and writes without heeding the answer,
// as one does who is suspended between the two.
func (h *hand) writes(ctx context.Context, n int) error {
	token := lock.Token(ctx)
	for range n {
		look := operation{Kind: "look", Token: token}
		if err := h.do(look, func(o *operation) error { o.OK = ctx.Err() == nil; return nil }); err != nil {
			return err
		}
		if _, err := h.write(token); err != nil {
			return err
		}
		read := operation{Kind: "read"}
		err := h.do(read, func(o *operation) error {
			var got Write
			err := h.register.Call("Register.Read", struct{}{}, &got)
			o.Token, o.Value = got.Token, got.Value
			return err
		})
		if err != nil {
			return err
		}
		time.Sleep(time.Duration(1+rand.IntN(20)) * time.Millisecond) // work
	}
	return nil
}

func (h *hand) write(token int64) (accepted bool, err error) {
	err = h.do(operation{Kind: "write", Token: token, Value: rand.Int64()}, func(o *operation) error {
		err := h.register.Call("Register.Write", Write{o.Token, o.Value}, &o.OK)
		accepted = o.OK
		return err
	})
	return accepted, err
}

// late is what a holder does that has lost the lock: it writes once more, after
// others have, and says what came of it.
func (h *hand) late(ctx context.Context) error {
	token := lock.Token(ctx)
	if !errors.Is(context.Cause(ctx), lock.ErrLost) {
		return nil // stopped
	}
	if err := h.say("lost", token); err != nil {
		return err
	}
	for n := 0; ; n++ {
		accepted, err := h.write(token)
		if err != nil {
			return err
		}
		if !accepted {
			return h.say("refused", token)
		}
		if n == 5000 {
			return fmt.Errorf("token %d is accepted all the time", token)
		}
		time.Sleep(2 * time.Millisecond) // until the next holder has written
	}
}
