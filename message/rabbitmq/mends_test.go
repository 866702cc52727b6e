package rabbitmq_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/rabbitmq"
)

// channel is a channel of a program without the package.
func channel(t *testing.T, url string) *amqp.Channel {
	t.Helper()
	c, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// opened is a broker that is closed after its receivers.
func opened(t *testing.T, url string) *rabbitmq.Broker {
	t.Helper()
	b := open(t, url)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func subscribe(t *testing.T, b message.Broker, topic, group string, window int) message.Receiver {
	t.Helper()
	r, err := b.Subscribe(t.Context(), message.Subscription{Topic: topic, Group: group, Window: window})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return r
}

func receive(t *testing.T, r message.Receiver) []message.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	d, err := r.Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAttemptsAreCounted(t *testing.T) {
	t.Parallel()
	b := opened(t, servertest.RabbitMQURL(t))
	r := subscribe(t, b, "orders", "g", 1)
	if err := b.Publish(t.Context(), message.Message{ID: "1", Topic: "orders", Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for attempt := range 3 {
		d := receive(t, r)
		if d[0].Attempt != attempt+1 {
			t.Errorf("attempt %d comes as %d", attempt+1, d[0].Attempt)
		}
		if err := r.Return(t.Context(), d...); err != nil {
			t.Fatal(err)
		}
	}
}

func TestProgramsWithoutThePackageTakePart(t *testing.T) {
	t.Parallel()
	url := servertest.RabbitMQURL(t)
	b := opened(t, url)
	r := subscribe(t, b, "orders", "g", 1)
	ch := channel(t, url)
	err := ch.PublishWithContext(t.Context(), "orders", "k", false, false, amqp.Publishing{
		MessageId: "7", Timestamp: time.Unix(1e9, 0), Headers: amqp.Table{"n": int32(3), "raw": []byte("b"), "deep": amqp.Table{}}, Body: []byte("hello")})
	if err != nil {
		t.Fatal(err)
	}
	d := receive(t, r)[0]
	if d.ID != "7" || d.Key != "k" || !d.Time.Equal(time.Unix(1e9, 0)) || string(d.Body) != "hello" || len(d.Header) != 2 || d.Header["n"] != "3" || d.Header["raw"] != "b" {
		t.Errorf("received %+v", d.Message)
	}
	if _, err := ch.QueueDeclare("theirs", false, true, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind("theirs", "", "orders", false, nil); err != nil {
		t.Fatal(err)
	}
	m := message.Message{ID: "8", Topic: "orders", Key: "k", Time: time.UnixMilli(1e12 + 5), Header: map[string]string{"a": "b"}, Body: []byte("x")}
	if err := b.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got, ok, err := ch.Get("theirs", true)
	if err != nil || !ok || got.MessageId != "8" || got.RoutingKey != "k" || got.Headers["a"] != "b" || got.Headers["timestamp_in_ms"] != int64(1e12+5) ||
		got.DeliveryMode != amqp.Persistent || string(got.Body) != "x" {
		t.Errorf("they have %+v, %v, %v", got, ok, err)
	}
}

func TestASubscriptionOfItsOwnLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	url := servertest.RabbitMQURL(t)
	b := opened(t, url)
	r := subscribe(t, b, "orders", "", 1)
	queue := rabbitmq.Queue(r)
	if _, err := channel(t, url).QueueDeclarePassive(queue, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := channel(t, url).QueueDeclarePassive(queue, true, false, false, false, nil); err == nil {
		t.Error("its queue is still there")
	}
}

func TestAQueueThatSomebodyDeletesIsMadeAgain(t *testing.T) {
	t.Parallel()
	url := servertest.RabbitMQURL(t)
	b := opened(t, url)
	r := subscribe(t, b, "orders", "g", 1)
	ch := channel(t, url)
	if _, err := ch.QueueDelete("orders/g", false, false, false); err != nil {
		t.Fatal(err)
	}
	came := make(chan error, 1)
	go func() {
		_, err := r.Receive(t.Context())
		came <- err
	}()
	servertest.Eventually(t, "it comes", func() bool {
		if err := b.Publish(t.Context(), message.Message{ID: "1", Topic: "orders", Time: time.Now()}); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-came:
			return err == nil
		default:
			return false
		}
	})
}

func TestATopicThatIsSomebodyElsesIsRefused(t *testing.T) {
	t.Parallel()
	url := servertest.RabbitMQURL(t)
	b := opened(t, url)
	if err := channel(t, url).ExchangeDeclare("orders", amqp.ExchangeDirect, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	err := b.Publish(t.Context(), message.Message{ID: "1", Topic: "orders", Time: time.Now()})
	if !errors.Is(err, message.ErrRefused) || !strings.Contains(err.Error(), "?prefix=name") {
		t.Error(err)
	}
	if err := b.Publish(t.Context(), message.Message{ID: "1", Topic: "others", Time: time.Now()}); err != nil {
		t.Errorf("another topic: %v", err)
	}
}

func TestAQueueThatIsMadeDifferentlyIsToldOf(t *testing.T) {
	t.Parallel()
	url := servertest.RabbitMQURL(t)
	subscribe(t, opened(t, url), "orders", "g", 1)
	_, err := opened(t, with(t, url, "queue", "classic")).Subscribe(t.Context(), message.Subscription{Topic: "orders", Group: "g", Window: 1})
	if err == nil || !strings.Contains(err.Error(), "another ?queue=") {
		t.Error(err)
	}
}

func TestAHeaderThatAMQPHasNotIsRefused(t *testing.T) {
	t.Parallel()
	b := opened(t, servertest.RabbitMQURL(t))
	for _, name := range []string{strings.Repeat("n", 256), "timestamp_in_ms", "x-delivery-count"} {
		m := message.Message{ID: "1", Topic: "orders", Header: map[string]string{name: "v"}}
		if err := b.Publish(t.Context(), m); !errors.Is(err, message.ErrRefused) {
			t.Errorf("%.30s: %v", name, err)
		}
	}
}

func TestAServerThatTakesNoMessagesIsWaitedForAndToldOf(t *testing.T) {
	t.Parallel()
	s := servertest.RabbitMQ(t, "ERL_AFLAGS=-rabbit vm_memory_high_watermark 0.00001")
	b := opened(t, s.URL())
	servertest.Eventually(t, "it says why", func() bool { // it measures its memory from time to time
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		err := b.Publish(ctx, message.Message{ID: "1", Topic: "orders", Time: time.Now()})
		return errors.Is(err, context.DeadlineExceeded) && strings.Contains(err.Error(), "low on memory")
	})
	begun := time.Now()
	if err := b.Close(); err != nil || time.Since(begun) > servertest.Patience {
		t.Errorf("closed after %v: %v", time.Since(begun), err)
	}
}

func TestErrorsSayWhatToDoAndNoPassword(t *testing.T) {
	t.Parallel()
	good := servertest.RabbitMQURL(t)
	for url, want := range map[string]string{
		"amqp://u:hu/hush@host":                              "%2F",
		"amqp://u:hush@host/?prefx=a":                        `parameter "prefx"; there are addr,`,
		"amqp://u:hush@host/?prefix={a}":                     "prefix={a}",
		"amqp://u:hush@host/?queue=stream":                   "there are quorum and classic",
		"amqp://u:hush@host/?heartbeat=often":                "heartbeat",
		"amqp://u:hush@127.0.0.1:1/":                         "is the server running",
		strings.Replace(good, "s3cret", "hush", 1):           "user or password",
		good[:strings.LastIndex(good, "/")] + "/nobody-hush": "no such virtual host",
	} {
		b, err := rabbitmq.Open(t.Context(), url)
		if err == nil {
			_ = b.Close()
			t.Errorf("%s: opened", url)
			continue
		}
		told := strings.ReplaceAll(err.Error(), "nobody-hush", "")
		if !strings.Contains(told, want) || strings.Contains(told, "hush") {
			t.Errorf("%s: %v; want %q and no password", url, err, want)
		}
	}
}

func TestOpenIsCalledOff(t *testing.T) {
	t.Parallel()
	w := servertest.NewWire(t, "127.0.0.1:1")
	w.Mute()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := rabbitmq.Open(ctx, "amqp://u:p@"+w.Addr()); err == nil {
		t.Error("opened")
	}
}
