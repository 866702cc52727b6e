package kafka_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/kafka"
	"github.com/seguehq/segue/store/memory"
)

// brokers are those of a fake cluster, which lasts as long as the process.
func brokers() string {
	cluster, err := kfake.NewCluster()
	if err != nil {
		log.Fatal(err)
	}
	return strings.Join(cluster.ListenAddrs(), ",")
}

func Example() {
	ctx, packed := context.Background(), make(chan string)
	broker, _ := kafka.Open(ctx, "kafka://"+brokers()+"/?partitions=6") // kafka://host:9092,host:9092
	bus := message.New(broker, memory.New())                            // in a service: a store that lasts
	bus.One("orders", "packing", func(_ context.Context, m message.Message) error {
		packed <- m.Key + ": " + string(m.Body)
		return nil
	})
	receiving := bus.Component() // in a service: lifecycle.Run(ctx, receiving, …)
	_ = receiving.Start(ctx)
	_ = bus.Publish(ctx, message.Message{Topic: "orders", Key: "customer 7", Body: []byte("4 chairs")})
	fmt.Println(<-packed)
	_ = receiving.Stop(ctx) // handled, told to Kafka, and out of the group
	_ = broker.Close()
	// Output: customer 7: 4 chairs
}
