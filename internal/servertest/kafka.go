package servertest

import (
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// kafkaEnv names real brokers, host:port,host:port, to be used instead of fake ones.
const kafkaEnv = "SEGUE_TEST_KAFKA"

// KafkaBrokers are brokers of Kafka, as a URL has them: host:port,host:port. They are
// those of $SEGUE_TEST_KAFKA, or fakes that end with the test: no real ones can be
// installed where this is developed. Topics of real ones stay; choose names that
// nobody else has.
func KafkaBrokers(t testing.TB) string {
	t.Helper()
	if real := os.Getenv(kafkaEnv); real != "" {
		return real
	}
	return Kafka(t).Brokers()
}

// A FakeKafka is a cluster of brokers of franz-go's kfake, within the test's process,
// which fails as it is told to.
type FakeKafka struct {
	*kfake.Cluster

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// Kafka starts three brokers that end with the test. A topic has four partitions, if
// nothing else is said.
func Kafka(t testing.TB, options ...kfake.Opt) *FakeKafka {
	t.Helper()
	k := &FakeKafka{conns: map[net.Conn]bool{}}
	cluster, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(3), kfake.DefaultNumPartitions(4), kfake.ListenFn(k.listen),
		kfake.GroupMinSessionTimeout(time.Second), // no test has the time to wait for Kafka's six
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	k.Cluster = cluster
	t.Cleanup(cluster.Close)
	return k
}

// Brokers are where they listen, as a URL has them.
func (k *FakeKafka) Brokers() string { return strings.Join(k.ListenAddrs(), ",") }

// Cut breaks all connections. New ones are well.
func (k *FakeKafka) Cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for c := range k.conns {
		_ = c.Close()
	}
	clear(k.conns)
}

func (k *FakeKafka) listen(network, addr string) (net.Listener, error) {
	l, err := net.Listen(network, addr)
	return cuttable{l, k}, err
}

// cuttable notes the connections that it accepts.
type cuttable struct {
	net.Listener
	kafka *FakeKafka
}

// Accept is net.Listener's.
func (c cuttable) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.kafka.mu.Lock()
		defer c.kafka.mu.Unlock()
		c.kafka.conns[conn] = true
	}
	return conn, err
}
