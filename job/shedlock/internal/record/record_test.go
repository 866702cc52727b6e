package record

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A table has one lock, and loses what it is told to lose.
type table struct {
	by      string
	mute    error // what is answered, although it was done
	unlocks int
}

type row struct {
	table *table
	id    string
}

func (r row) Take(context.Context, time.Duration) (bool, string, error) {
	if r.table.by != "" {
		return false, r.table.by, nil
	}
	r.table.by = r.id
	return r.table.mute == nil, "", r.table.mute
}

func (r row) Extend(context.Context, time.Duration) (bool, error) { return r.table.by == r.id, nil }

func (r row) Unlock(context.Context, time.Duration) (bool, error) {
	if r.table.unlocks++; r.table.by != r.id {
		return false, nil
	}
	r.table.by = ""
	return true, nil
}

var errCut = errors.New("cut")

func TestLockWithoutAnAnswerIsGivenUpWhenItIsInTheWay(t *testing.T) {
	var d Doubts
	cut := &table{mute: errCut}
	if _, ok, _, err := d.Lock(t.Context(), "a", time.Minute, "first", row{cut, "first"}); ok || !errors.Is(err, errCut) {
		t.Fatalf("lock: %v, %v", ok, err)
	}
	cut.mute = nil
	if _, ok, by, err := d.Lock(t.Context(), "a", time.Minute, "second", row{cut, "second"}); !ok || err != nil || cut.by != "second" {
		t.Errorf("lock: %v, held by %q, %v; the record is %s's", ok, by, err, cut.by)
	}
	if _, ok, by, err := d.Lock(t.Context(), "a", time.Minute, "third", row{cut, "third"}); ok || by != "second" || err != nil {
		t.Errorf("a lock that is held: %v, held by %q, %v", ok, by, err)
	}
}

func TestLockOfAnotherIsLeftAlone(t *testing.T) {
	var d Doubts
	other := &table{by: "other"}
	if _, ok, by, err := d.Lock(t.Context(), "a", time.Minute, "first", row{other, "first"}); ok || by != "other" || err != nil || other.unlocks != 0 {
		t.Errorf("lock: %v, held by %q, %v, %d unlocks", ok, by, err, other.unlocks)
	}
}

func TestDoubtsAreForgottenWhenTheirTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d Doubts
		for _, id := range []string{"first", "second", "third"} {
			_, _, _, _ = d.Lock(t.Context(), "a", time.Minute, id, row{&table{mute: errCut}, id}) // which fails
			time.Sleep(90 * time.Second)
		}
		if n := len(d.all); n != 2 {
			t.Errorf("%d doubts are kept; the first is three minutes old", n)
		}
	})
}

func TestIdentityFitsTheColumnAndIsAnotherEachTime(t *testing.T) {
	name := strings.Repeat("x", MaxLockedBy)
	a, b := Identity(name), Identity(name)
	if a == b || len(a) > 255 || !regexp.MustCompile(`^x+:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(a) {
		t.Errorf("%s, %s", a, b)
	}
}
