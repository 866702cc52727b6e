package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// grace is how long the client may take to leave the group.
const grace = time.Second

// leave leaves the group, and returns when Kafka knows how far its partitions are done
// with. The client does it when it is in the group; if the group is being divided, it
// waits for that, and so for whoever has a slow handler or has died.
func (r *receiver) leave(ctx context.Context) error {
	left := make(chan error, 1)
	go func() { left <- r.client.LeaveGroupContext(ctx) }()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	var err error
	select {
	case err = <-left:
		if err == nil {
			err = r.untold()
		}
	case <-timer.C:
		err = r.walkOut(ctx)
		r.stop() // the client does not wait any more
		<-left
	}
	if err != nil {
		return fmt.Errorf("kafka: leave group %q: others get its partitions when the session has ended, in %v: %w", r.group, r.broker.settings.session, err)
	}
	return nil
}

// untold is why Kafka does not know how far the partitions are done with, if so.
func (r *receiver) untold() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// walkOut says itself what the client would say later. Kafka hears it also from one
// whom it lets wait for the others.
func (r *receiver) walkOut(ctx context.Context) error {
	member, generation := r.client.GroupMetadata()
	if member == "" {
		return nil // nor has Kafka heard of it
	}
	if generation >= 0 { // else it has no partitions, or none any more
		if err := r.tell(ctx, member, generation); err != nil {
			return err
		}
	}
	request := kmsg.NewPtrLeaveGroupRequest()
	request.Group, request.MemberID = r.group, member
	leaving := kmsg.NewLeaveGroupRequestMember()
	leaving.MemberID = member
	request.Members = append(request.Members, leaving)
	answer, err := request.RequestWith(ctx, r.client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(answer.ErrorCode)
}

// tell tells Kafka how far partitions are done with.
func (r *receiver) tell(ctx context.Context, member string, generation int32) error {
	marked := r.client.MarkedOffsets()[r.topic]
	if len(marked) == 0 {
		return nil
	}
	_, id, err := r.broker.look(ctx, r.topic)
	if err != nil {
		return err
	}
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic, topic.TopicID = r.topic, id // one or the other counts, by how old the broker is
	for n, offset := range marked {
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch = n, offset.Offset, offset.Epoch
		topic.Partitions = append(topic.Partitions, p)
	}
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Group, request.MemberID, request.Generation = r.group, member, generation
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, r.client)
	if err != nil {
		return err
	}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			err = errors.Join(err, kerr.ErrorForCode(p.ErrorCode))
		}
	}
	return err
}
