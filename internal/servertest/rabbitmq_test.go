package servertest_test

import (
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seguehq/segue/internal/servertest"
)

// channel is a channel to the RabbitMQ server of a URL.
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

func TestRabbitMQKeepsWhatItHasConfirmedOverStopAndKill(t *testing.T) {
	t.Parallel()
	s := servertest.RabbitMQ(t)
	quorum := amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}
	publish := func() {
		ch := channel(t, s.URL())
		if _, err := ch.QueueDeclare("q", true, false, false, false, quorum); err != nil {
			t.Fatal(err)
		}
		if err := ch.Confirm(false); err != nil {
			t.Fatal(err)
		}
		d, err := ch.PublishWithDeferredConfirm("", "q", false, false, amqp.Publishing{DeliveryMode: amqp.Persistent})
		if err != nil || !d.Wait() {
			t.Fatalf("not confirmed: %v", err)
		}
	}
	publish()
	s.Restart(t)
	publish()
	s.Kill(t)
	s.Start(t)
	deliveries, err := channel(t, s.URL()).ConsumeWithContext(t.Context(), "q", "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-deliveries
	<-deliveries
}

func TestRabbitMQURLsAreApart(t *testing.T) {
	t.Parallel()
	a, b := servertest.RabbitMQURL(t), servertest.RabbitMQURL(t)
	if _, err := channel(t, a).QueueDeclare("q", false, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	_, err := channel(t, b).QueueDeclarePassive("q", false, false, false, false, nil)
	if err == nil || !strings.Contains(err.Error(), "NOT_FOUND") {
		t.Errorf("another virtual host has the queue: %v", err)
	}
}
