package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ensure creates a topic that is not there. That it is there is asked once.
func (b *Broker) ensure(ctx context.Context, topic string) error {
	b.mu.Lock()
	there := b.topics[topic]
	b.mu.Unlock()
	if there {
		return nil
	}
	if err := b.create(ctx, topic); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.topics[topic] = true
	return nil
}

func (b *Broker) forget(topic string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.topics, topic)
}

// create returns when the topic has leaders. Others may be creating it too.
func (b *Broker) create(ctx context.Context, topic string) error {
	for asked := false; ; {
		led, _, err := b.look(ctx, topic)
		switch {
		case err == nil && led:
			return nil
		case errors.Is(err, kerr.UnknownTopicOrPartition) && !asked:
			asked = true
			if err := b.createTopic(ctx, topic); err != nil {
				return err
			}
			continue
		case err != nil && !kerr.IsRetriable(err):
			return fmt.Errorf("kafka: look for topic %q at %s: %w", topic, b.settings.where(), err)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil { // until the brokers have told each other
			return fmt.Errorf("kafka: topic %q has no leader yet: %w", topic, err)
		}
	}
}

// look tells whether all partitions of a topic have a leader, and the topic's ID. It asks the broker:
// the client remembers for seconds that there was none.
func (b *Broker) look(ctx context.Context, topic string) (led bool, id [16]byte, err error) {
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{{Topic: &topic}}
	answer, err := request.RequestWith(ctx, b.client)
	if err != nil {
		return false, id, err
	}
	led = true
	for _, t := range answer.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return false, id, err
		}
		id = t.TopicID
		for _, p := range t.Partitions {
			led = led && p.Leader >= 0
		}
	}
	return led, id, nil
}

func (b *Broker) createTopic(ctx context.Context, topic string) error {
	_, err := b.admin.CreateTopic(ctx, b.settings.partitions, b.settings.replicas, nil, topic)
	switch {
	case err == nil || errors.Is(err, kerr.TopicAlreadyExists):
		return nil
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return fmt.Errorf("kafka: there is no topic %q, and the broker does not let us create it; create it, or give the user Create: %w", topic, err)
	}
	return fmt.Errorf("kafka: create topic %q: %w", topic, err)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ends is where each partition of a topic ends now.
func (b *Broker) ends(ctx context.Context, topic string) (map[int32]kadm.ListedOffset, error) {
	listed, err := b.admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("kafka: ask where %q ends: %w", topic, err)
	}
	return listed[topic], nil
}

// begin has a group that is new to a topic begin where it ends now: whoever is given
// a partition later must not ask then. It tells whether the group was new.
//
// Two who begin at the same time may both write; neither has promised anything yet,
// since a new group is joined before Subscribe returns, and Kafka refuses what is
// written by nobody of a group that somebody is in.
func (b *Broker) begin(ctx context.Context, group, topic string) (anew bool, err error) {
	for {
		ends, err := b.ends(ctx, topic)
		if err != nil {
			return false, err
		}
		there, err := b.admin.FetchOffsets(ctx, group)
		if err == nil {
			err = there.Error()
		}
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return false, fmt.Errorf("kafka: ask where group %q is in %q: %w", group, topic, err)
		}
		if len(there[topic]) > 0 {
			return false, nil // partitions that were added since begin at their beginning
		}
		err = b.place(ctx, group, topic, ends)
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, kerr.UnknownMemberID) && !errors.Is(err, kerr.IllegalGeneration) && !errors.Is(err, kerr.RebalanceInProgress) && !kerr.IsRetriable(err) {
			return false, fmt.Errorf("kafka: begin group %q in %q: %w", group, topic, err)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil { // somebody else has begun, and we look again
			return false, fmt.Errorf("kafka: begin group %q in %q: %w", group, topic, err)
		}
	}
}

func (b *Broker) place(ctx context.Context, group, topic string, ends map[int32]kadm.ListedOffset) error {
	var offsets kadm.Offsets = map[string]map[int32]kadm.Offset{}
	for partition, end := range ends {
		offsets.AddOffset(topic, partition, end.Offset, end.LeaderEpoch)
	}
	return b.admin.CommitAllOffsets(ctx, group, offsets)
}
