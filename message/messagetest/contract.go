package messagetest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/message"
)

// shortly is how long a test waits for what must not happen.
const shortly = 300 * time.Millisecond

func asSent(t *testing.T, s *suite) {
	r := s.subscribe(t, "g", 10)
	sent := []message.Message{
		{ID: "plain", Body: []byte("hello")},
		{ID: "full", Key: "käse/7", Header: map[string]string{"a": "b", "Content-Type": "x; y=\"ü\"", "empty": ""}, Body: []byte{0, 1, 0xff, 0xfe, '\n'}},
		{ID: "empty"},
		{ID: "large", Body: bytes.Repeat([]byte("0123456789abcdef"), 60<<10/16)},
	}
	for i := range sent {
		sent[i].Topic, sent[i].Time = s.topic, time.UnixMilli(1_700_000_000_123)
		if err := s.Publish(t.Context(), sent[i]); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]message.Delivery{}
	for _, d := range r.handle(len(sent)) {
		got[d.ID] = d
	}
	for _, m := range sent {
		d := got[m.ID]
		if d.Topic != m.Topic || d.Key != m.Key || !bytes.Equal(d.Body, m.Body) || !maps.Equal(d.Header, m.Header) {
			t.Errorf("%s came as %.200q, was sent as %.200q", m.ID, fmt.Sprint(d.Message), fmt.Sprint(m))
		}
		if d.Time.Sub(m.Time).Abs() >= time.Second { // AMQP has whole seconds in its own field
			t.Errorf("%s came with the time %v, was sent with %v", m.ID, d.Time, m.Time)
		}
		if d.Attempt != 1 {
			t.Errorf("%s came as attempt %d", m.ID, d.Attempt)
		}
	}
}

func groupWaits(t *testing.T, s *suite) {
	s.subscribe(t, "g", 1).close()
	s.publish(t, 0, 20)
	wantNumbers(t, s.subscribe(t, "g", 5).handle(20), 20)
}

func oneOfGroup(t *testing.T, s *suite) {
	a, b := s.subscribe(t, "g", 8), s.subscribe(t, "g", 8)
	const n = 100
	got := newTally(n)
	stop := got.count(t, a, b)
	s.publish(t, 0, n)
	got.wait(t)
	stop()
	got.once(t)
}

func everyGroup(t *testing.T, s *suite) {
	a, b := s.subscribe(t, "a", 4), s.subscribe(t, "b", 50)
	s.publish(t, 0, 30)
	wantNumbers(t, a.handle(30), 30)
	wantNumbers(t, b.handle(30), 30)
}

func all(t *testing.T, s *suite) {
	s.publish(t, 100, 101) // before anybody is there
	a, b := s.subscribe(t, "", 4), s.subscribe(t, "", 4)
	s.publish(t, 0, 20)
	wantNumbers(t, a.handle(20), 20)
	b.close()
	s.publish(t, 20, 30)
	got := a.handle(10)
	if first := got[0].ID; first != "20" && !s.Unordered {
		t.Errorf("after 19 came %s", first)
	}
	late := s.subscribe(t, "", 4)
	s.publish(t, 30, 31)
	if got := ids(late.handle(1)); got[0] != "30" {
		t.Errorf("one who came when 30 messages were published got %s", got)
	}
}

func window(t *testing.T, s *suite) {
	r := s.subscribe(t, "g", 3)
	s.publish(t, 0, 10)
	first := r.next(3)
	if len(first) != 3 {
		t.Fatalf("%d messages came, the window is 3", len(first))
	}
	r.nothing(shortly)
	r.ack(first[1])
	more := r.next(1)
	if len(more) != 1 {
		t.Fatalf("%d messages came when one was acknowledged", len(more))
	}
	r.ack(first[0], first[2])
	r.ack(more...)
	wantNumbers(t, append(append(first, more...), r.handle(6)...), 10)
}

func returned(t *testing.T, s *suite) {
	r := s.subscribe(t, "g", 5)
	s.publish(t, 0, 5)
	d := r.next(5)
	if err := r.Return(t.Context(), d[1], d[3]); err != nil {
		t.Fatal(err)
	}
	r.ack(d[0])
	if s.ReturnsLate {
		r.ack(d[2], d[4])
		r.close()
		r = s.subscribe(t, "g", 5)
	} else {
		r.ack(d[2], d[4])
	}
	want := map[string]bool{d[1].ID: true, d[3].ID: true}
	for len(want) > 0 {
		for _, again := range r.handle(1) {
			delete(want, again.ID) // of ReturnsLate others come again, too
		}
	}
}

func closedOver(t *testing.T, s *suite) {
	a := s.subscribe(t, "g", 10)
	s.publish(t, 0, 10)
	d := a.next(10)
	slices.SortFunc(d, func(a, b message.Delivery) int { return number(t, a) - number(t, b) })
	a.ack(d[:4]...)
	a.close()
	got := s.subscribe(t, "g", 10).handle(6)
	for _, d := range got {
		if number(t, d) < 4 {
			t.Errorf("%s was acknowledged, and comes again", d.ID)
		}
	}
	if distinct := numbers(t, got); len(distinct) != 6 {
		t.Errorf("of six messages that nobody had acknowledged came %v", distinct)
	}
}

func acknowledged(t *testing.T, s *suite) {
	a := s.subscribe(t, "g", 10)
	s.publish(t, 0, 10)
	wantNumbers(t, a.handle(10), 10)
	a.close()
	b := s.subscribe(t, "g", 10)
	b.nothing(shortly)
	s.publish(t, 10, 11)
	if got := ids(b.handle(1)); got[0] != "10" {
		t.Errorf("received %s, want the one that came last", got)
	}
}

func order(t *testing.T, s *suite) {
	if s.Unordered {
		return
	}
	r := s.subscribe(t, "g", 7)
	const keys, each = 5, 20
	for n := range each {
		for k := range keys {
			m := s.numbered(n*keys + k)
			m.Key = fmt.Sprint("key", k)
			if err := s.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
	}
	last := map[string]int{}
	for _, d := range r.handle(keys * each) {
		n := number(t, d)
		if before, ok := last[d.Key]; ok && n != before+keys {
			t.Errorf("%s: after %d came %d", d.Key, before, n)
		}
		last[d.Key] = n
	}
}

func waits(t *testing.T, s *suite) {
	r := s.subscribe(t, "g", 2)
	r.nothing(shortly)
	s.publish(t, 0, 1)
	wantNumbers(t, r.handle(1), 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Receive(ctx); err == nil {
		t.Error("Receive with a context that was done, and nothing to receive, returned no error")
	}
	s.publish(t, 1, 2)
	if got := ids(r.handle(1)); got[0] != "1" {
		t.Errorf("received %s", got)
	}
}

func many(t *testing.T, s *suite) {
	r := s.subscribe(t, "g", 100)
	const n = 1000
	var batch []message.Message
	for i := range n {
		batch = append(batch, s.numbered(i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Publish(ctx, batch...); err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, r.handle(n), n)
}

func topics(t *testing.T, s *suite) {
	other := s.topic + ".more"
	a := s.subscribe(t, "g", 4)
	b := s.subscribeTo(t, message.Subscription{Topic: other, Group: "g", Window: 4})
	m := s.numbered(7)
	m.Topic = other
	if err := s.Publish(t.Context(), s.numbered(0), m, s.numbered(1)); err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, a.handle(2), 2)
	if got := b.handle(1); got[0].ID != "7" || got[0].Topic != other {
		t.Errorf("received %s of %s", got[0].ID, got[0].Topic)
	}
}

// comeAndGo is a deploy: each receiver is replaced while messages come, and lets go
// of what it has not handled.
func comeAndGo(t *testing.T, s *suite) {
	const n, rounds = 400, 3
	got := newTally(n)
	stops := []func(){got.count(t, s.subscribe(t, "g", 4)), got.count(t, s.subscribe(t, "g", 4))}
	var publishing sync.WaitGroup
	publishing.Go(func() { s.publish(t, 0, n) })
	for round := range rounds {
		got.atLeast(t, (round+1)*n/(rounds+2))
		for i := range stops {
			next := got.count(t, s.subscribe(t, "g", 4))
			stops[i]()
			stops[i] = next
		}
	}
	publishing.Wait()
	got.wait(t)
	for _, stop := range stops {
		stop()
	}
	if !s.MovesTwice {
		got.once(t)
	}
}

func publishers(t *testing.T, s *suite) {
	r := s.subscribe(t, "g", 50)
	const each, by = 50, 4
	var publishing sync.WaitGroup
	for p := range by {
		b := s.open(t)
		publishing.Go(func() {
			for n := range each {
				if err := b.Publish(t.Context(), s.numbered(p*each+n)); err != nil {
					t.Errorf("publish: %v", err)
				}
			}
		})
	}
	wantNumbers(t, r.handle(each*by), each*by)
	publishing.Wait()
}

// beingHandled has a message for three leases.
func beingHandled(t *testing.T, s *suite) {
	s.needs(t, s.Lease > 0, "Lease", NoLease)
	slow := s.subscribe(t, "g", 1)
	s.publish(t, 0, 1)
	d := slow.next(1)
	other := s.subscribe(t, "g", 1)
	other.nothing(3 * s.Lease)
	slow.ack(d...)
	s.publish(t, 1, 2)
	got := newTally(2)
	stop := got.count(t, slow, other)
	got.atLeast(t, 1)
	stop()
	if got.times[0] > 0 {
		t.Error("a message came again that was being handled, and acknowledged")
	}
}

// calledOff receives for moments only.
func calledOff(t *testing.T, s *suite) {
	const n = 50
	r := s.subscribe(t, "g", 3)
	var publishing sync.WaitGroup
	publishing.Go(func() { s.publish(t, 0, n) })
	var got []message.Delivery
	for deadline := time.Now().Add(patience); len(got) < n; {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+len(got)%10)*20*time.Millisecond)
		d, err := r.Receive(ctx)
		cancel()
		if err != nil && ctx.Err() == nil {
			t.Fatalf("receive: %v", err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d messages came within %v, want %d", len(got), patience, n)
		}
		r.ack(d...)
		got = append(got, d...)
	}
	wantNumbers(t, got, n)
	publishing.Wait()
}

func number(t *testing.T, d message.Delivery) int {
	t.Helper()
	n, err := strconv.Atoi(d.ID)
	if err != nil {
		t.Fatalf("an unknown message: %q", d.ID)
	}
	return n
}

// numbers are those of the deliveries, each once, in order.
func numbers(t *testing.T, d []message.Delivery) []int {
	t.Helper()
	var all []int
	for _, d := range d {
		all = append(all, number(t, d))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// wantNumbers sees that the deliveries are the messages 0 to n-1, each once.
func wantNumbers(t *testing.T, d []message.Delivery, n int) {
	t.Helper()
	got := numbers(t, d)
	if len(got) != n || len(d) != n || got[0] != 0 || got[n-1] != n-1 {
		t.Errorf("received %d messages, %d of them different: %v; want 0 to %d", len(d), len(got), got, n-1)
	}
}
