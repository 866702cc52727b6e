package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/seguehq/segue/message"
)

// Subscribe begins to receive. A topic that is not there is created.
func (b *Broker) Subscribe(ctx context.Context, s message.Subscription) (message.Receiver, error) {
	if err := b.ensure(ctx, s.Topic); err != nil {
		return nil, err
	}
	r := &receiver{broker: b, topic: s.Topic, window: max(1, s.Window), joined: make(chan struct{}), changed: make(chan struct{}), parts: map[int32]*partition{}}
	var running context.Context
	running, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	var err error
	if s.Group == "" {
		err = r.readAll(ctx, running)
	} else {
		r.group = s.Group + "/" + s.Topic
		err = r.join(ctx, running)
	}
	if err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

// readAll reads every partition from where it ends now, and those that are added
// from their beginning.
func (r *receiver) readAll(ctx, running context.Context) (err error) {
	ends, err := r.broker.ends(ctx, r.topic)
	if err != nil {
		return err
	}
	from := map[int32]kgo.Offset{}
	for n, end := range ends {
		from[n] = kgo.NewOffset().At(end.Offset)
	}
	r.client, err = kgo.NewClient(append(r.broker.settings.common(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.topic: from}))...)
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	r.watching.Go(func() { r.discover(running, len(from)) })
	return nil
}

// discover adds the partitions that the topic is given while we read.
func (r *receiver) discover(ctx context.Context, known int) {
	for pause(ctx, r.broker.settings.discovery) == nil {
		ends, err := r.broker.ends(ctx, r.topic)
		if err != nil {
			continue // the broker is away; it is asked again
		}
		added := map[int32]kgo.Offset{}
		for ; known < len(ends); known++ { // they are numbered
			added[int32(known)] = kgo.NewOffset().AtStart()
		}
		if len(added) > 0 {
			r.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{r.topic: added})
		}
	}
}

// join becomes a member of the group.
func (r *receiver) join(ctx, running context.Context) error {
	anew, err := r.broker.begin(ctx, r.group, r.topic)
	if err != nil {
		return err
	}
	r.client, err = kgo.NewClient(append(append(r.broker.settings.common(), r.membership()...), kgo.WithContext(running))...)
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	if !anew {
		return nil
	}
	select {
	case <-r.joined:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	err = r.managed
	r.closed = true
	r.mu.Unlock()
	r.stop()
	r.client.CloseAllowingRebalance()
	if err == nil {
		err = ctx.Err()
	}
	return fmt.Errorf("kafka: join group %q at %s: %w", r.group, r.broker.settings.where(), err)
}

func (r *receiver) membership() []kgo.Opt {
	s := r.broker.settings
	options := []kgo.Opt{
		kgo.ConsumerGroup(r.group),
		kgo.ConsumeTopics(r.topic),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), // of partitions that were added: see begin
		kgo.AutoCommitMarks(),
		kgo.AutoCommitInterval(s.commit),
		kgo.SessionTimeout(s.session),
		kgo.HeartbeatInterval(min(s.session/10, 3*time.Second)),
		// What is waited for is waited for by those, too, who want to join meanwhile.
		kgo.RebalanceTimeout(s.handover + commitPatience + s.session),
		kgo.OnPartitionsAssigned(r.assigned),
		kgo.OnPartitionsRevoked(r.revoked),
		kgo.OnPartitionsLost(r.lost),
		kgo.WithHooks(hooks{r}),
	}
	if s.nextGen {
		return append(options, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	}
	return append(options, kgo.Balancers(kgo.CooperativeStickyBalancer()))
}

// hooks hear what the group fails of.
type hooks struct{ *receiver }

// OnGroupManageError is called by the client, which then joins the group again.
func (h hooks) OnGroupManageError(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.managed = err
	var refused *kerr.Error
	if errors.As(err, &refused) && !refused.Retriable && !rejoins(refused) {
		h.failed = fmt.Errorf("kafka: join group %q: %w", h.group, err)
		h.change()
	}
}

// rejoins tells whether an error is that of a member which the group has put out.
func rejoins(err *kerr.Error) bool {
	switch err {
	case kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.RebalanceInProgress, kerr.FencedMemberEpoch, kerr.StaleMemberEpoch:
		return true
	}
	return false
}
