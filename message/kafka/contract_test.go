package kafka_test

import (
	"context"
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/kafka"
	"github.com/seguehq/segue/message/messagetest"
)

func TestMain(m *testing.M) {
	messagetest.Main(m, func(ctx context.Context, url string) (message.Broker, error) { return kafka.Open(ctx, url) })
}

// maker is the suite's broker, with parameters in its URL.
func maker(parameters string) func(t *testing.T) messagetest.Maker {
	return func(t *testing.T) messagetest.Maker {
		url := "kafka://" + servertest.KafkaBrokers(t) + "/?" + parameters
		return messagetest.Maker{Address: url, Open: func(t testing.TB) message.Broker { return dial(t, url) }}
	}
}

func dial(t testing.TB, url string) message.Broker {
	b, err := kafka.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Between partitions there is no order: what the suite asks of messages without a
// key holds for one.
func TestBroker(t *testing.T) {
	messagetest.Run(t, maker("partitions=1"), messagetest.NoLease)
}

// TestFaults kills members of the group; its connections are cut by the fake.
func TestFaults(t *testing.T) {
	messagetest.Faults(t, func(t *testing.T) messagetest.Maker {
		k := servertest.Kafka(t)
		url := "kafka://" + k.Brokers() + "/?session=2s"
		return messagetest.Maker{Address: url, Open: func(t testing.TB) message.Broker { return dial(t, url) }, Cut: func(testing.TB) { k.Cut() }}
	}, messagetest.NoServer) // kfake is in this process, and keeps nothing on disk
}
