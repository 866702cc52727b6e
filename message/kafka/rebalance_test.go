package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/messagetest"
)

// protocols are the ways in which a group is divided.
var protocols = []string{"classic", "consumer"}

// TestGroupsOfKIP848 holds groups that the broker divides to the contract, with
// several partitions.
func TestGroupsOfKIP848(t *testing.T) {
	messagetest.Run(t, func(t *testing.T) messagetest.Maker {
		if t.Name() == "TestGroupsOfKIP848/subscriptions_without_a_group_get_all" {
			return maker("partitions=1")(t) // it wants an order that partitions do not have
		}
		return maker("partitions=4&group-protocol=consumer")(t)
	}, messagetest.NoLease)
}

// hands is who had which message, in all members' hands together.
type hands struct {
	tolerant bool // of what Receive reports
	mu       sync.Mutex
	had      map[string][]string
}

func (h *hands) note(who string, ds ...message.Delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range ds {
		h.had[d.ID] = append(h.had[d.ID], who)
	}
}

func (h *hands) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.had)
}

// work has a member handle what comes until the context is done.
func (h *hands) work(ctx context.Context, who string, m *member) {
	for ctx.Err() == nil {
		d, err := m.Receive(ctx)
		if err != nil && ctx.Err() == nil && !h.tolerant {
			m.t.Errorf("%s: %v", who, err)
		}
		h.note(who, d...)
		m.ack(d...)
	}
}

// once sees that messages 0 to n-1 were each in one hand.
func (h *hands) once(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		if who := h.had[fmt.Sprint(i)]; len(who) != 1 {
			t.Errorf("message %d was with %v", i, who)
		}
	}
}

func TestAPartitionIsGivenAwayWhenItsMessagesAreDoneWith(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			k := servertest.Kafka(t)
			b, topic := open(t, "kafka://"+k.Brokers()+"/?session=3s&group-protocol="+protocol), topic()
			a := subscribe(t, b, topic, "g", 100)
			publish(t, b, topic, 0, 20)
			slow := a.next(20)
			h := &hands{had: map[string][]string{}}
			h.note("a", slow...)

			other := subscribe(t, b, topic, "g", 100)
			working, stop := context.WithCancel(t.Context())
			var members sync.WaitGroup
			members.Go(func() { h.work(working, "b", other) })
			members.Go(func() { h.work(working, "a", a) })
			// While what it has is handled, it goes on with the partitions that it keeps.
			n := 20
			servertest.Eventually(t, "a goes on while partitions of its wait to be taken away", func() bool {
				publish(t, b, topic, n, n+5)
				n += 5
				return twoMembers(k, topic) && h.count() > 22
			})
			h.mu.Lock()
			for id, who := range h.had {
				if slices.Contains(who, "b") {
					t.Errorf("b has message %s, and nothing was given to it", id)
				}
			}
			h.mu.Unlock()
			a.ack(slow...)
			servertest.Eventually(t, "all messages", func() bool { return h.count() == n })
			stop()
			members.Wait()
			h.once(t, n)
		})
	}
}

func twoMembers(k *servertest.FakeKafka, topic string) bool {
	info := k.GroupInfo("g/" + topic)
	return info != nil && len(info.Members) == 2
}

func TestAPartitionIsNotWaitedForForEver(t *testing.T) {
	t.Parallel()
	b, topic := open(t, "kafka://"+servertest.Kafka(t).Brokers()+"/?session=3s&handover=200ms"), topic()
	a := subscribe(t, b, topic, "g", 100)
	publish(t, b, topic, 0, 20)
	stuck := a.next(20)
	other := subscribe(t, b, topic, "g", 100)
	again := other.next(1)
	other.ack(again...)
	err := a.Ack(t.Context(), stuck...)
	if !errors.Is(err, message.ErrLapsed) {
		t.Errorf("done with messages that are another's: %v", err)
	}
	a.nothing(50 * time.Millisecond) // of those nothing comes here, either
}

// TestOneWhoLeavesDoesNotWaitForTheOthers has a group that cannot be divided, since a
// partition's messages are not done with.
func TestOneWhoLeavesDoesNotWaitForTheOthers(t *testing.T) {
	t.Parallel()
	k := servertest.Kafka(t)
	b, topic := open(t, "kafka://"+k.Brokers()+"/?session=6s&handover=1m"), topic()
	slow, quick := subscribe(t, b, topic, "g", 100), subscribe(t, b, topic, "g", 100)
	servertest.Eventually(t, "two partitions each", func() bool {
		m := k.GroupInfo("g/" + topic).Members
		return len(m) == 2 && m[0].NumAssigned() == 2 && m[1].NumAssigned() == 2
	})
	publish(t, b, topic, 0, 20)
	var mine, theirs []message.Delivery
	servertest.Eventually(t, "all messages", func() bool {
		mine, theirs = append(mine, quick.now()...), append(theirs, slow.now()...)
		return len(mine)+len(theirs) == 20
	})
	for range 2 { // they take partitions from both, which only one of them gives
		subscribe(t, b, topic, "g", 1)
	}
	servertest.Eventually(t, "four members", func() bool { return len(k.GroupInfo("g/"+topic).Members) == 4 })
	quick.ack(mine...)
	begun := time.Now()
	quick.leave()
	if took := time.Since(begun); took > servertest.Patience/2 {
		t.Errorf("it took %v", took)
	}
	if got := committed(t, k, topic); got < int64(len(mine)) {
		t.Errorf("Kafka knows of %d messages, and %d are done with", got, len(mine))
	}
	slow.ack(theirs...)
}

// committed is how many messages a group is known to be done with.
func committed(t *testing.T, k *servertest.FakeKafka, topic string) (n int64) {
	t.Helper()
	for _, c := range k.GroupInfo("g/" + topic).Commits[topic] {
		n += c.Offset
	}
	return n
}

// TestADeployLosesNothingAndRepeatsNothing replaces each of three members, again and
// again, while messages come.
func TestADeployLosesNothingAndRepeatsNothing(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			b, topic := open(t, "kafka://"+servertest.Kafka(t).Brokers()+"/?partitions=8&session=3s&group-protocol="+protocol), topic()
			h := &hands{had: map[string][]string{}}
			var all sync.WaitGroup
			start := func(who string) (stop func()) {
				m := subscribe(t, b, topic, "g", 8)
				ctx, cancel := context.WithCancel(t.Context())
				var working sync.WaitGroup
				working.Go(func() { h.work(ctx, who, m) })
				return func() { cancel(); working.Wait(); m.leave() }
			}
			stops := []func(){start("0.0"), start("0.1"), start("0.2")}
			const n = 600
			all.Go(func() { publish(t, b, topic, 0, n) })
			for round := range 2 {
				for i, stop := range stops {
					stops[i] = start(fmt.Sprint(round+1, ".", i))
					stop()
				}
			}
			all.Wait()
			servertest.Eventually(t, "all messages", func() bool { return h.count() == n })
			for _, stop := range stops {
				stop()
			}
			h.once(t, n)
		})
	}
}
