package proxy

import "testing"

// A share of the recent requests, and a few a second in any case; what is more
// than ten seconds ago counts no longer.
func TestBudget(t *testing.T) {
	spendAll := func(b *budget, second, requests int64, r Retry) (n int) {
		for b.spend(second, requests, r, &grace{until: 1 << 60}, 100) { // which is spent
			n++
		}
		return n
	}
	r := Retry{Budget: 20, Least: 1}
	var b budget
	if n := spendAll(&b, 5, 0, r); n != 10 {
		t.Errorf("without requests: %d repeats, want 1 for each of ten seconds", n)
	}
	if n := spendAll(&b, 5, 1000, r); n != 200 {
		t.Errorf("with 1,000 requests: %d more repeats, want 200", n)
	}
	for s := int64(6); s <= 14; s++ {
		b.turn(s, 1000)
		if n := spendAll(&b, s, 1000, r); n != 0 {
			t.Errorf("second %d: %d repeats, and all was spent in second 5", s, n)
		}
	}
	b.turn(15, 1000)
	if n := spendAll(&b, 15, 1500, r); n != 110 {
		t.Errorf("ten seconds later: %d repeats, want 20%% of 500 and ten", n)
	}
	if n := spendAll(&b, 1000, 1500, r); n != 10 {
		t.Errorf("after a long rest: %d repeats, want ten", n)
	}
	if n := spendAll(new(budget), 5, 1000, Retry{Least: 10}); n != 0 {
		t.Errorf("a budget of 0%% gave %d repeats", n)
	}
}

// What was in flight at an instance's first failure is free, once in ten
// seconds.
func TestGrace(t *testing.T) {
	none := Retry{Budget: 1}
	var b budget
	var a, other grace
	spend := func(second int64, g *grace, inflight int64) (n int) {
		for ; b.spend(second, 0, none, g, inflight); inflight-- { // each ends, and is in flight no longer
			n++
		}
		return n
	}
	for _, c := range []struct {
		second int64
		g      *grace
		want   int
	}{{0, &a, 250}, {0, &a, 0}, {9, &a, 0}, {9, &other, 250}, {10, &a, 250}, {18, &other, 0}} {
		if n := spend(c.second, c.g, 250); n != c.want {
			t.Errorf("second %d: %d free repeats, want %d", c.second, n, c.want)
		}
	}
	if spend(1000, &grace{}, 0) != 0 {
		t.Error("nothing was in flight, and there was a repeat")
	}
}
