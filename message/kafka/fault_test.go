package kafka_test

import (
	"context"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/seguehq/segue/internal/servertest"
)

// TestWhatTheClusterDoesCostsNothing does, while messages are published and handled,
// what clusters do every day. Nothing is lost by it, and nothing comes twice.
//
// Two are excepted. When leaders move, kfake does not know where the last one's epoch
// ended, as Kafka does, and clients have to read what they have read: see ErrDataLoss of
// kgo. And when connections break while the group is being divided, a member that was
// about to be told its partitions has none, and cannot say any more how far it was.
func TestWhatTheClusterDoesCostsNothing(t *testing.T) {
	for name, happens := range map[string]func(k *servertest.FakeKafka, topic string){
		"leaders move":             func(k *servertest.FakeKafka, _ string) { k.ShufflePartitionLeaders() },
		"the coordinator moves":    func(k *servertest.FakeKafka, _ string) { k.RehashCoordinators() },
		"a leader is none anymore": func(k *servertest.FakeKafka, topic string) { fault(k, kmsg.Produce, topic, kerr.NotLeaderForPartition) },
		"replicas are missing": func(k *servertest.FakeKafka, topic string) {
			fault(k, kmsg.Produce, topic, kerr.NotEnoughReplicasAfterAppend)
		},
		"an answer is late": func(k *servertest.FakeKafka, topic string) { fault(k, kmsg.Produce, topic, kerr.RequestTimedOut) },
		"a fetch fails":     func(k *servertest.FakeKafka, topic string) { fault(k, kmsg.Fetch, topic, kerr.NotLeaderForPartition) },
		"a commit fails": func(k *servertest.FakeKafka, topic string) {
			fault(k, kmsg.OffsetCommit, topic, kerr.CoordinatorNotAvailable)
		},
		"connections break": func(k *servertest.FakeKafka, _ string) { k.Cut() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := servertest.Kafka(t)
			b, topic := open(t, "kafka://"+k.Brokers()+"/?session=6s&discovery=100ms"), topic()
			again := name == "leaders move" || name == "connections break"
			h := &hands{tolerant: again, had: map[string][]string{}}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var members sync.WaitGroup
			for _, who := range []string{"a", "b"} {
				m := subscribe(t, b, topic, "g", 10)
				members.Go(func() { h.work(ctx, who, m) })
			}
			const rounds, each = 3, 20
			for round := range rounds {
				publish(t, b, topic, round*each, round*each+each/2)
				happens(k, topic)
				publish(t, b, topic, round*each+each/2, (round+1)*each)
			}
			servertest.Eventually(t, "all messages", func() bool { return h.count() == rounds*each })
			stop()
			members.Wait()
			if !again {
				h.once(t, rounds*each)
			}
		})
	}
}

func fault(k *servertest.FakeKafka, of kmsg.Key, topic string, err *kerr.Error) {
	k.Fault(kfake.Fault{Keys: []kmsg.Key{of}, Topic: topic, Err: err})
}
