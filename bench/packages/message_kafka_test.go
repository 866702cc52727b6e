//go:build bench

package packages

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/kafka"
	"github.com/seguehq/segue/store/memory"
)

// A kafkaClient publishes to a topic, each message confirmed, and counts what it has
// received and acknowledged, in one process.
type kafkaClient struct {
	name  string
	start func(t *testing.T, brokers []string, topic string) (publish func(ctx context.Context, body []byte) error, received *atomic.Int64)
}

var kafkaClients = []kafkaClient{
	{"Segue", segueOnKafka},
	{"franz-go", franzOnKafka},
}

func segueOnKafka(t *testing.T, brokers []string, topic string) (func(context.Context, []byte) error, *atomic.Int64) {
	b, err := kafka.Open(t.Context(), "kafka://"+strings.Join(brokers, ","))
	if err != nil {
		t.Fatal(err)
	}
	bus, received := message.New(b, memory.New(), message.Log(slog.New(slog.NewTextHandler(io.Discard, nil)))), &atomic.Int64{}
	bus.One(topic, "g", func(context.Context, message.Message) error { received.Add(1); return nil }, message.Window(1000))
	c := bus.Component()
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.Stop(context.WithoutCancel(t.Context())), b.Close()); err != nil {
			t.Error(err)
		}
	})
	return func(ctx context.Context, body []byte) error {
		return bus.Publish(ctx, message.Message{Topic: topic, Body: body})
	}, received
}

// franzOnKafka gives each message an ID and a time, as ours has them, and commits
// what was marked, as often.
func franzOnKafka(t *testing.T, brokers []string, topic string) (func(context.Context, []byte) error, *atomic.Int64) {
	producer, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0))
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumerGroup("g"), kgo.ConsumeTopics(topic),
		kgo.AutoCommitMarks(), kgo.AutoCommitInterval(250*time.Millisecond), kgo.BlockRebalanceOnPoll())
	if err != nil {
		t.Fatal(err)
	}
	received, polling := &atomic.Int64{}, sync.WaitGroup{}
	ctx, cancel := context.WithCancel(t.Context())
	polling.Go(func() {
		for ctx.Err() == nil {
			consumer.PollRecords(ctx, 1000).EachRecord(func(r *kgo.Record) {
				received.Add(1)
				consumer.MarkCommitRecords(r)
			})
			consumer.AllowRebalance()
		}
	})
	t.Cleanup(func() {
		cancel()
		polling.Wait()
		consumer.CloseAllowingRebalance()
		producer.Close()
	})
	return func(ctx context.Context, body []byte) error {
		return producer.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: body, Timestamp: time.Now(),
			Headers: []kgo.RecordHeader{{Key: "id", Value: []byte(rand.Text())}}}).FirstErr()
	}, received
}

// carried has so many goroutines publish for a span, each its next message when the
// last one is confirmed, and returns how many messages came through in a second until
// all had been received, and how many in a second of CPU.
func carried(t *testing.T, c kafkaClient, cluster *kfake.Cluster, publishers int) (m measured) {
	topic := "bench." + rand.Text()
	if err := cluster.CreateTopic(topic, 4, nil); err != nil {
		t.Fatal(err)
	}
	t.Run(c.name, func(t *testing.T) {
		publish, received := c.start(t, cluster.ListenAddrs(), topic)
		body := bytes.Repeat([]byte("x"), 200)
		var published, sent atomic.Int64
		for received.Load() == 0 { // the group is joined
			if err := publish(t.Context(), body); err != nil {
				t.Fatal(err)
			}
			published.Add(1)
			time.Sleep(20 * time.Millisecond)
		}
		begun, before := time.Now(), cpuOf(t, os.Getpid())
		var publishing sync.WaitGroup
		for range publishers {
			publishing.Go(func() {
				for time.Since(begun) < span {
					if err := publish(t.Context(), body); err != nil {
						t.Error(err)
						return
					}
					sent.Add(1)
				}
			})
		}
		publishing.Wait()
		for all := published.Load() + sent.Load(); received.Load() < all; {
			if time.Since(begun) > span+30*time.Second {
				t.Fatalf("received %d of %d", received.Load(), all)
			}
			time.Sleep(time.Millisecond)
		}
		m.perSecond = float64(sent.Load()) / time.Since(begun).Seconds()
		m.perCPU = float64(sent.Load()) / (cpuOf(t, os.Getpid()) - before).Seconds()
	})
	return m
}

func TestMessagesOverKafka(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second),
		kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	var tab table
	tab.row("Kafka (kfake)", "client", "messages/s", "Segue ÷ it", "messages per CPU-second", "Segue ÷ it")
	for _, publishers := range []int{1, 16} {
		got := make([][]measured, len(kafkaClients))
		for range rounds {
			for n, c := range kafkaClients {
				got[n] = append(got[n], carried(t, c, cluster, publishers))
			}
		}
		ours := middle(got[0])
		for n, c := range kafkaClients {
			m := middle(got[n])
			tab.row(fmt.Sprintf("publishers: %d", publishers), c.name, fmt.Sprintf("%.0f", m.perSecond), fmt.Sprintf("%.2f", ours.perSecond/m.perSecond),
				fmt.Sprintf("%.0f", m.perCPU), fmt.Sprintf("%.2f", ours.perCPU/m.perCPU))
		}
	}
	write(t, "messages over Kafka", "200 bytes, published with acks=all and confirmed one by one; received, handled and acknowledged in the same process. The broker is franz-go's kfake, also in the same process: no real one could be had, and what it costs is in all figures. CPU is that of the whole process: it says more than the rest where a machine does other work meanwhile. franz-go marks each record and commits four times a second, as ours does.", tab)
}
