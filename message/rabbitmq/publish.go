package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seguehq/segue/message"
)

// An outlet is a channel by which messages go out.
type outlet struct {
	*amqp.Channel
	conn *amqp.Connection
	flow *flow
	why  <-chan *amqp.Error // it was closed

	declared sync.Map // topics that have their exchange
}

// Publish implements message.Broker. It returns nil when the server has confirmed
// all of the messages: they are on disk in the queues of all groups, of most of the
// nodes if these are of a cluster.
func (b *Broker) Publish(ctx context.Context, m ...message.Message) error {
	all := make([]amqp.Publishing, len(m))
	for i := range m {
		var err error
		if all[i], err = publishing(m[i]); err != nil {
			return b.fail(ctx, fmt.Sprintf("publish %s to %s", m[i].ID, m[i].Topic), err)
		}
	}
	o, err := b.outletFor(ctx, m)
	if err != nil {
		return b.fail(ctx, "publish", err)
	}
	sent := make([]*amqp.DeferredConfirmation, 0, len(m))
	for i := range m {
		d, err := o.PublishWithDeferredConfirm(b.set.exchange(m[i].Topic), m[i].Key, false, false, all[i])
		if err != nil {
			return b.fail(ctx, "publish to "+m[i].Topic, o.reason(err))
		}
		sent = append(sent, d)
	}
	for i, d := range sent {
		if err := o.confirmed(ctx, d); err != nil {
			return b.fail(ctx, "publish to "+m[i].Topic, err)
		}
	}
	return nil
}

var errNack = errors.New("the server has not taken it; its log says why: a queue may be full, or without a majority of its nodes")

func (o *outlet) confirmed(ctx context.Context, d *amqp.DeferredConfirmation) error {
	select {
	case <-d.Done():
	case <-ctx.Done():
		if reason := o.flow.blocked(); reason != "" {
			return fmt.Errorf("%w: the server takes no messages: %s", ctx.Err(), reason)
		}
		return fmt.Errorf("%w: not confirmed yet", ctx.Err())
	}
	switch {
	case d.Acked():
		return nil
	case o.IsClosed():
		return o.reason(amqp.ErrClosed)
	}
	return errNack
}

// reason is why the channel was closed, if that is known, or what is said otherwise.
// One of those who wait for confirmations hears it.
func (o *outlet) reason(otherwise error) error {
	select {
	case why := <-o.why:
		if why != nil {
			return why
		}
	default:
	}
	return otherwise
}

// outletFor is the outlet, when the server wants messages, with exchanges for all of
// their topics.
func (b *Broker) outletFor(ctx context.Context, m []message.Message) (*outlet, error) {
	o, err := b.open(ctx)
	if err != nil {
		return nil, err
	}
	if err := o.flow.wait(ctx); err != nil {
		return nil, fmt.Errorf("%w: the server takes no messages: %s", err, o.flow.blocked())
	}
	for i := range m {
		topic := m[i].Topic
		if _, ok := o.declared.Load(topic); ok {
			continue
		}
		// By a channel of its own: if the server refuses, it closes the channel.
		ch, err := b.channel(ctx, o.conn, func(ch *amqp.Channel) error { return b.declareTopic(ch, topic) })
		if err != nil {
			return nil, err
		}
		o.declared.Store(topic, true)
		if _, err := await(ctx, b, func() (any, error) { return nil, ch.Close() }); err != nil {
			return nil, err
		}
	}
	return o, nil
}

func (b *Broker) declareTopic(ch *amqp.Channel, topic string) error {
	return ch.ExchangeDeclare(b.set.exchange(topic), amqp.ExchangeFanout, true, false, false, false, nil)
}

// open is the outlet there is, or a new one.
func (b *Broker) open(ctx context.Context) (*outlet, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o := b.outlet.Load(); o != nil && !o.IsClosed() {
		return o, nil
	}
	select {
	case b.opening <- struct{}{}:
		defer func() { <-b.opening }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if o := b.outlet.Load(); o != nil && !o.IsClosed() {
		return o, nil // somebody was quicker
	}
	c, err := b.sending.connection(ctx, b)
	if err != nil {
		return nil, err
	}
	o := &outlet{conn: c, flow: b.sending.flow}
	if o.Channel, err = b.channel(ctx, c, func(ch *amqp.Channel) error { return ch.Confirm(false) }); err != nil {
		return nil, err
	}
	o.why = o.NotifyClose(make(chan *amqp.Error, 1))
	b.outlet.Store(o)
	return o, nil
}
