package rabbitmq

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seguehq/segue/message"
)

// A receiver is a message.Receiver.
type receiver struct {
	broker *Broker
	to     message.Subscription
	queue  string
	pause  time.Duration // before the next attempt to connect: Receive's own

	mu     sync.Mutex
	inlet  *inlet // nil: there is none at the moment
	closed bool
}

// A tag is what a delivery is acknowledged by: a number that its channel knows, and
// no other.
type tag struct {
	inlet  *inlet
	number uint64
}

// expires is how long the queue of a subscription without a group is kept while
// nobody receives, in milliseconds: longer than a server needs for a restart.
const expires = 5 * 60 * 1000

// Subscribe implements message.Broker.
func (b *Broker) Subscribe(ctx context.Context, s message.Subscription) (message.Receiver, error) {
	r := &receiver{broker: b, to: s, queue: b.set.queue(s.Topic, s.Group)}
	if s.Group == "" {
		r.queue += "/" + rand.Text() // no group begins with a slash
	}
	var err error
	if r.inlet, err = r.open(ctx); err != nil {
		return nil, b.fail(ctx, r.doing("subscribe"), err)
	}
	return r, nil
}

func (r *receiver) doing(what string) string {
	if r.to.Group == "" {
		return what + " to " + r.to.Topic
	}
	return what + " to " + r.to.Topic + " as " + r.to.Group
}

// open makes what there is to be in the server, and begins to receive.
func (r *receiver) open(ctx context.Context) (*inlet, error) {
	c, err := r.broker.taking.connection(ctx, r.broker)
	if err != nil {
		return nil, err
	}
	if err := r.declare(ctx, c); err != nil {
		return nil, err
	}
	in := &inlet{settled: map[uint64]bool{}}
	in.Channel, err = r.broker.channel(ctx, c, func(ch *amqp.Channel) (err error) {
		if err = ch.Qos(r.to.Window, 0, false); err == nil {
			in.deliveries, err = ch.Consume(r.queue, consumer, false, false, false, false, nil)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

const consumer = "segue" // a channel has one

func (r *receiver) declare(ctx context.Context, c *amqp.Connection) error {
	args := r.broker.set.arguments(r.to.Group == "", version(c))
	err := r.declareWith(ctx, c, args)
	var e *amqp.Error
	if errors.As(err, &e) && e.Code == amqp.PreconditionFailed && strings.Contains(e.Reason, deliveryLimit) {
		// Made by an older server, which had no limit, or with another by its owner.
		delete(args, deliveryLimit)
		err = r.declareWith(ctx, c, args)
	}
	return err
}

func (r *receiver) declareWith(ctx context.Context, c *amqp.Connection, args amqp.Table) error {
	ch, err := r.broker.channel(ctx, c, func(ch *amqp.Channel) error {
		if err := r.broker.declareTopic(ch, r.to.Topic); err != nil {
			return err
		}
		if _, err := ch.QueueDeclare(r.queue, true, false, false, false, args); err != nil {
			return err
		}
		return ch.QueueBind(r.queue, "", r.broker.set.exchange(r.to.Topic), false, nil)
	})
	if err != nil {
		return err
	}
	_, err = await(ctx, r.broker, func() (any, error) { return nil, ch.Close() })
	return err
}

const deliveryLimit = "x-delivery-limit"

// arguments say what kind a queue is of.
func (set *settings) arguments(own bool, major int) amqp.Table {
	args := amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}
	switch {
	case set.classic:
		args[amqp.QueueTypeArg] = amqp.QueueTypeClassic
	case major >= 4:
		args[deliveryLimit] = -1 // none; before 4 there was none
	}
	if own {
		args[amqp.QueueTTLArg] = expires
	}
	return args
}

// version is the server's major one.
func version(c *amqp.Connection) (major int) {
	text, _ := c.Properties["version"].(string)
	_, _ = fmt.Sscanf(text, "%d.", &major)
	return major
}

// Receive implements message.Receiver.
func (r *receiver) Receive(ctx context.Context) ([]message.Delivery, error) {
	for {
		in, err := r.connected(ctx)
		if err != nil {
			return nil, err
		}
		select {
		case d, ok := <-in.deliveries:
			if !ok {
				r.lose(in)
				continue
			}
			r.pause = 0
			return r.more(in, append(make([]message.Delivery, 0, 1), r.delivery(in, &d))), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// more adds what else is there already.
func (r *receiver) more(in *inlet, got []message.Delivery) []message.Delivery {
	for len(got) < r.to.Window {
		select {
		case d, ok := <-in.deliveries:
			if !ok {
				return got
			}
			got = append(got, r.delivery(in, &d))
		default:
			return got
		}
	}
	return got
}

func (r *receiver) delivery(in *inlet, d *amqp.Delivery) message.Delivery {
	return message.Delivery{Message: received(r.to.Topic, d), Tag: tag{in, d.DeliveryTag}}
}

// connected is the inlet, a new one if there is none. It tries once: an error is for
// somebody to see. After one, the next call waits before it tries.
func (r *receiver) connected(ctx context.Context) (*inlet, error) {
	r.mu.Lock()
	in, closed := r.inlet, r.closed
	r.mu.Unlock()
	switch {
	case closed:
		return nil, errReceiverClosed
	case in != nil:
		return in, nil
	}
	select {
	case <-time.After(r.pause):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	in, err := r.open(ctx)
	if err != nil {
		r.pause = min(max(2*r.pause, 50*time.Millisecond), 2*time.Second)
		return nil, r.broker.fail(ctx, r.doing("receive: subscribe"), err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		r.broker.begin(func() { _ = in.Close() })
		return nil, errReceiverClosed
	}
	r.inlet = in
	return in, nil
}

var errReceiverClosed = errors.New("message: the receiver is closed")

// lose forgets an inlet that the server has closed, or in which it has ended the
// subscription, as it does when somebody deletes the queue.
func (r *receiver) lose(in *inlet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inlet == in {
		r.inlet = nil
		r.broker.begin(func() { _ = in.Close() })
	}
}

// Ack implements message.Receiver.
func (r *receiver) Ack(ctx context.Context, d ...message.Delivery) error {
	return r.settle(ctx, "acknowledge", d, (*inlet).acknowledge)
}

// Return implements message.Receiver. What was returned comes first when it comes
// again.
func (r *receiver) Return(ctx context.Context, d ...message.Delivery) error {
	err := r.settle(ctx, "return", d, (*inlet).giveBack)
	if errors.Is(err, message.ErrLapsed) {
		return nil // it has come to the same
	}
	return err
}

// settle says of deliveries, to the channels which they came by, what became of them.
func (r *receiver) settle(ctx context.Context, doing string, d []message.Delivery, say func(*inlet, []uint64) error) error {
	if err := ctx.Err(); err != nil {
		return r.broker.fail(ctx, doing, err)
	}
	numbers := map[*inlet][]uint64{}
	for i := range d {
		t, ok := d[i].Tag.(tag)
		if !ok {
			return fmt.Errorf("message: %s %s: it is no delivery of this receiver", doing, d[i].ID)
		}
		numbers[t.inlet] = append(numbers[t.inlet], t.number)
	}
	var lapsed error
	for in, of := range numbers {
		if err := say(in, of); err != nil {
			lapsed = fmt.Errorf("message: %s: %s: %w: the connection has broken since (%w)", r.broker.set.where, r.doing(doing), message.ErrLapsed, err)
		}
	}
	return lapsed
}

// Close implements message.Receiver. When it returns nil the server has got all
// acknowledgements, and gives to others what is left.
func (r *receiver) Close(ctx context.Context) error {
	r.mu.Lock()
	in, was := r.inlet, r.closed
	r.inlet, r.closed = nil, true
	r.mu.Unlock()
	if was {
		return nil
	}
	if in != nil {
		if _, err := await(ctx, r.broker, func() (any, error) { return nil, in.leave() }); err != nil && !errors.Is(err, amqp.ErrClosed) {
			return r.broker.fail(ctx, r.doing("end the subscription"), err)
		}
	}
	if r.to.Group != "" {
		return nil
	}
	if err := r.remove(ctx); err != nil {
		return r.broker.fail(ctx, fmt.Sprintf("remove the queue %s, which removes itself in five minutes", r.queue), err)
	}
	return nil
}

// remove removes the queue of a subscription without a group.
func (r *receiver) remove(ctx context.Context) error {
	c, err := r.broker.taking.connection(ctx, r.broker)
	if err != nil {
		return err
	}
	ch, err := r.broker.channel(ctx, c, func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(r.queue, false, false, false)
		return err
	})
	if err != nil {
		return err
	}
	_, err = await(ctx, r.broker, func() (any, error) { return nil, ch.Close() })
	return err
}
