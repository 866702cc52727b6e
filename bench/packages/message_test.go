//go:build bench

package packages

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/redis/rueidis"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/message"
	messageopen "github.com/seguehq/segue/message/open"
	"github.com/seguehq/segue/store/memory"
)

// A carrier carries messages of one topic to one consumer, which acknowledges each.
type carrier struct {
	publish func(ctx context.Context, body []byte) error // returns when the broker has it
	close   func() error
}

// A carrying opens a carrier that calls got for each message, before it acknowledges
// it.
type carrying func(t *testing.T, url, topic string, got func()) carrier

// A brand is a broker that Segue and its bare client library are measured on.
type brand struct {
	name   string
	server func(t *testing.T) (url string, pid int)
	bare   carrying
}

// brands are the brokers there are. A further one is a line here, and its bare way in
// a file of its own.
var brands = []brand{
	{"RabbitMQ, quorum queue", func(t *testing.T) (string, int) { s := servertest.RabbitMQ(t); return s.URL(), s.Pid() }, bareRabbitMQ},
	{"Redis", func(t *testing.T) (string, int) { s := servertest.Redis(t); return s.URL(), s.Pid() }, bareRedis},
}

// ahead is how many messages are on their way to the consumer and not yet
// acknowledged.
const ahead = 100

// segues carries by the package.
func segues(t *testing.T, url, topic string, got func()) carrier {
	b, err := messageopen.Broker(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	s := memory.New().Handle()
	bus := message.New(b, s, message.Log(slog.New(slog.DiscardHandler)))
	bus.One(topic, "bench", func(context.Context, message.Message) error { got(); return nil }, message.Window(ahead))
	component := bus.Component()
	if err := component.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return carrier{
		publish: func(ctx context.Context, body []byte) error {
			return bus.Publish(ctx, message.Message{Topic: topic, Body: body})
		},
		close: func() error {
			return errors.Join(component.Stop(context.WithoutCancel(t.Context())), b.Close(), s.Close())
		},
	}
}

func bareRabbitMQ(t *testing.T, url, topic string, got func()) carrier {
	channel := func() (*amqp.Connection, *amqp.Channel) {
		c, err := amqp.Dial(url)
		if err != nil {
			t.Fatal(err)
		}
		ch, err := c.Channel()
		if err != nil {
			t.Fatal(err)
		}
		return c, ch
	}
	out, sending := channel()
	in, taking := channel()
	_, err := taking.QueueDeclare(topic, true, false, false, false, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum})
	err = errors.Join(err, sending.Confirm(false), taking.Qos(ahead, 0, false))
	deliveries, err2 := taking.Consume(topic, "", false, false, false, false, nil)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	var working sync.WaitGroup
	working.Go(func() {
		for d := range deliveries {
			got()
			if err := d.Ack(false); err != nil {
				t.Error(err)
			}
		}
	})
	return carrier{
		publish: func(ctx context.Context, body []byte) error {
			d, err := sending.PublishWithDeferredConfirm("", topic, false, false, amqp.Publishing{
				DeliveryMode: amqp.Persistent, MessageId: rand.Text(), Timestamp: time.Now(), Body: body,
			})
			if err != nil {
				return err
			}
			if !d.Wait() {
				return errors.New("not confirmed")
			}
			return nil
		},
		close: func() error { err := errors.Join(out.Close(), in.Close()); working.Wait(); return err },
	}
}

func bareRedis(t *testing.T, url, topic string, got func()) carrier {
	option, err := rueidis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Do(t.Context(), c.B().XgroupCreate().Key(topic).Group("bench").Id("$").Mkstream().Build()).Error(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	working.Go(func() {
		for ctx.Err() == nil {
			entries, err := c.Do(ctx, c.B().Xreadgroup().Group("bench", "one").Count(ahead).Block(1000).Streams().Key(topic).Id(">").Build()).AsXRead()
			if err != nil && !rueidis.IsRedisNil(err) && ctx.Err() == nil {
				t.Error(err)
			}
			var ids []string
			for _, e := range entries[topic] {
				got()
				ids = append(ids, e.ID)
			}
			if len(ids) > 0 {
				if err := c.Do(ctx, c.B().Xack().Key(topic).Group("bench").Id(ids...).Build()).Error(); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		}
	})
	return carrier{
		publish: func(ctx context.Context, body []byte) error {
			return c.Do(ctx, c.B().Xadd().Key(topic).Id("*").FieldValue().FieldValue("id", rand.Text()).
				FieldValue("time", strconv.FormatInt(time.Now().UnixMilli(), 10)).FieldValue("body", rueidis.BinaryString(body)).Build()).Error()
		},
		close: func() error { stop(); working.Wait(); c.Close(); return nil },
	}
}

// throughput publishes with so many publishers for a while, each waiting for one message
// to be confirmed before the next, until all have come.
func throughput(t *testing.T, open carrying, url, topic string, publishers int) (perSecond float64) {
	var sent, came atomic.Int64
	var all atomic.Bool
	done := make(chan struct{}, 1)
	c := open(t, url, topic, func() {
		if n := came.Add(1); all.Load() && n >= sent.Load() {
			select {
			case done <- struct{}{}:
			default:
			}
		}
	})
	body := make([]byte, 200)
	begun := time.Now()
	var publishing sync.WaitGroup
	for range publishers {
		publishing.Go(func() {
			for time.Since(begun) < span {
				if err := c.publish(t.Context(), body); err != nil {
					t.Error(err)
					return
				}
				sent.Add(1)
			}
		})
	}
	publishing.Wait()
	all.Store(true)
	if came.Load() < sent.Load() {
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Errorf("%d of %d messages came", came.Load(), sent.Load())
		}
	}
	took := time.Since(begun)
	if err := c.close(); err != nil {
		t.Error(err)
	}
	return float64(came.Load()) / took.Seconds()
}

func TestMessages(t *testing.T) {
	var tab table
	tab.row("broker", "at a time", "Segue, messages/s", "bare client, messages/s", "Segue ÷ bare", "Segue, per CPU-second", "bare, per CPU-second", "Segue ÷ bare")
	for _, b := range brands {
		url, pid := b.server(t)
		for _, publishers := range []int{1, 16} {
			got := map[string][]float64{}
			for round := range rounds {
				for name, open := range map[string]carrying{"Segue": segues, "bare": b.bare} {
					before := cpuOf(t, pid) + cpuOf(t, os.Getpid())
					rate := throughput(t, open, url, fmt.Sprintf("bench-%s-%d-%d", name, publishers, round), publishers)
					used := cpuOf(t, pid) + cpuOf(t, os.Getpid()) - before
					got[name] = append(got[name], rate)
					got[name+" CPU"] = append(got[name+" CPU"], rate*span.Seconds()/used.Seconds())
				}
			}
			ours, theirs, oursCPU, theirsCPU := median(got["Segue"]), median(got["bare"]), median(got["Segue CPU"]), median(got["bare CPU"])
			tab.row(b.name, fmt.Sprint(publishers), fmt.Sprintf("%.0f", ours), fmt.Sprintf("%.0f", theirs), fmt.Sprintf("%.2f", ours/theirs),
				fmt.Sprintf("%.0f", oursCPU), fmt.Sprintf("%.0f", theirsCPU), fmt.Sprintf("%.2f", oursCPU/theirsCPU))
		}
	}
	write(t, "messages", "Messages of 200 bytes, with an ID and a time, from one process to itself: published and confirmed, received, acknowledged. So many publishers at a time, each waiting for its message to be confirmed; up to 100 messages on their way to the one consumer. CPU is the server's and ours: it says more than the rest where a machine does other work meanwhile.", tab)
}
