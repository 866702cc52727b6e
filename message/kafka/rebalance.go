package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The client calls these one after another. Meanwhile it goes on with its heartbeats,
// whatever handlers do, and with the partitions that it keeps: nothing is received any
// more of those that it does not, from before the call. Only a poll that was begun
// earlier may have some of it in its hands; hold waits for that. The client's own way,
// BlockRebalanceOnPoll, would keep everything else waiting for as long as handlers do.

// assigned is called once there is an assignment, if an empty one.
func (r *receiver) assigned(context.Context, *kgo.Client, map[string][]int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out = false
	r.change()
	select {
	case <-r.joined:
	default:
		close(r.joined)
	}
}

// revoked gives partitions away: it waits for what is in somebody's hands, and tells
// Kafka how far they are done with, so that the next one begins there.
func (r *receiver) revoked(ctx context.Context, client *kgo.Client, which map[string][]int32) {
	ctx, cancel := context.WithTimeout(ctx, r.broker.settings.handover)
	defer cancel()
	parts := r.hold(which)
	r.mu.Lock()
	_ = r.await(ctx, func() bool { return r.closed || idle(parts) }) // who takes longer is told by Ack
	r.drop(which, parts)
	patience := commitPatience
	if r.closed {
		patience /= 5 // others wait for us to be gone
	}
	r.mu.Unlock()
	if err := commit(client, patience); err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.failed = fmt.Errorf("kafka: tell how far group %q is with partitions of %q that go to others: what was done with last comes again there: %w", r.group, r.topic, err)
		r.change()
	}
}

// lost is called when the group has put us out, or we cannot join it again: others may
// have our partitions already. If they have not, Kafka still takes note of what is done
// with; if they have, it refuses. The client lets go of the partitions only after the
// call: nothing is received until it has got some again.
func (r *receiver) lost(_ context.Context, client *kgo.Client, which map[string][]int32) {
	r.mu.Lock()
	r.out = true
	r.mu.Unlock()
	parts := r.hold(which)
	_ = commit(client, commitPatience/5)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(which, parts)
}

// hold waits until no poll is under way that has records of these partitions, and
// lets none of them be delivered again.
func (r *receiver) hold(which map[string][]int32) (parts []*partition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holding++
	if r.interrupt != nil {
		r.interrupt()
	}
	_ = r.await(context.Background(), func() bool { return r.interrupt == nil }) // at once: it was interrupted
	r.holding--
	for _, n := range which[r.topic] {
		if p := r.parts[n]; p != nil {
			p.taken = leaving
			parts = append(parts, p)
		}
	}
	kept := r.again[:0]
	for _, d := range r.again {
		if d.Tag.(*place).in.taken == ours {
			kept = append(kept, d)
		}
	}
	clear(r.again[len(kept):])
	r.again = kept
	r.change()
	return parts
}

func idle(parts []*partition) bool {
	for _, p := range parts {
		if p.open > 0 {
			return false
		}
	}
	return true
}

// drop forgets partitions. The caller holds mu.
func (r *receiver) drop(which map[string][]int32, parts []*partition) {
	for _, p := range parts {
		p.taken = gone
	}
	for _, n := range which[r.topic] {
		delete(r.parts, n)
	}
	r.change()
}

// commit tells Kafka how far we are. The receiver may not have the client yet. While the group is being divided it may have to
// be told again.
func commit(client *kgo.Client, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := client.CommitMarkedOffsets(ctx)
		if err == nil || !errors.Is(err, kerr.RebalanceInProgress) && !errors.Is(err, kerr.StaleMemberEpoch) && !kerr.IsRetriable(err) {
			return err
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			return err
		}
	}
}

// commitPatience is how long a partition that goes away waits for a broker to take
// note of how far it is done with.
const commitPatience = 10 * time.Second
