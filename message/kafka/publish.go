package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/seguehq/segue/message"
)

// Publish returns nil when all replicas in sync have the messages. A topic that is
// not there is created.
func (b *Broker) Publish(ctx context.Context, ms ...message.Message) error {
	records := make([]*kgo.Record, 0, len(ms))
	for _, m := range ms {
		if err := b.ensure(ctx, m.Topic); err != nil {
			return err
		}
		r, err := record(m)
		if err != nil {
			return err
		}
		records = append(records, r)
	}
	o := &outcome{left: len(records), done: make(chan struct{})}
	if o.left == 0 {
		return nil
	}
	for _, r := range records {
		b.client.Produce(ctx, r, o.tell)
	}
	// What was sent and not answered cannot be taken back. The client goes on asking
	// for it, lest it be there twice; whoever publishes need not.
	select {
	case <-o.done:
	case <-ctx.Done():
		return b.failed(records[0], ctx.Err())
	}
	if o.err == nil {
		return nil
	}
	return b.failed(o.of, o.err)
}

// An outcome is what has become of the records of one call.
type outcome struct {
	mu   sync.Mutex
	left int
	err  error // the first
	of   *kgo.Record
	done chan struct{} // closed when none is left
}

func (o *outcome) tell(r *kgo.Record, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil && o.err == nil {
		o.err, o.of = err, r
	}
	if o.left--; o.left == 0 {
		close(o.done)
	}
}

// failed says why a record was not published, and what helps.
func (b *Broker) failed(r *kgo.Record, err error) error {
	id := r.Topic
	if len(r.Headers) > 0 {
		id = string(r.Headers[0].Value)
	}
	switch {
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return fmt.Errorf("kafka: message %s for %q has a body of %d bytes, which is too large: we send %d at most (max-message in the URL), the broker takes what the topic's max.message.bytes says: %w: %w",
			id, r.Topic, len(r.Value), b.settings.maxMessage, message.ErrRefused, err)
	case errors.Is(err, kerr.InvalidRecord), errors.Is(err, kerr.InvalidTimestamp):
		return fmt.Errorf("kafka: message %s for %q: the topic is set up so that it cannot take it: %w: %w", id, r.Topic, message.ErrRefused, err)
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		b.forget(r.Topic) // it was removed: the next call makes it anew
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return fmt.Errorf("kafka: publish to %q: the broker does not let us; give the user Write on the topic: %w", r.Topic, err)
	}
	return fmt.Errorf("kafka: publish message %s to %q at %s: %w", id, r.Topic, b.settings.where(), err)
}
