// Package kafka carries messages over Apache Kafka, or what speaks its protocol.
//
// A topic of package message is a topic of Kafka, and a message is a record: its key
// is the record's, its headers are the record's, its time is the record's timestamp
// in milliseconds, and its ID is the header [HeaderID]. Any client of Kafka publishes
// to it and reads from it; a record without the header is known by its place:
// topic/partition/offset. The group packing of the topic orders is the consumer group
// packing/orders: Kafka's groups are of no topic, and those of one name would wait for
// each other.
//
// It promises, besides what package message does:
//
//   - A published message is with all replicas that are in sync, once: the producer
//     is idempotent.
//   - Messages with the same key are in one partition, and are received in the order
//     in which they were published.
//   - A partition is given to another of the group when what was received of it is
//     done with, and that is known to Kafka: nothing comes twice by a rebalance, and
//     every replacement of an instance is one. The other partitions go on meanwhile.
//     A handler that takes longer than the handover (30 s) is not waited for.
//   - A new group has what is published after Subscribe has returned, whatever
//     instance is given the partition, and whenever.
//
// Kafka knows no single messages, but how far a group has come in each partition.
// So a message that is done with after one that is not is not known to be: both come
// again if the process dies, and so does what was acknowledged within the last
// quarter of a second. A message that is given back comes again to the same
// instance, and to another one when this leaves. There are never more instances of
// a group at work than the topic has partitions.
//
// No real broker was to be had where this is developed. Its tests run against
// franz-go's kfake, with kcat as a client of others; SEGUE_TEST_KAFKA=host:port,…
// has them run against real ones.
package kafka

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/seguehq/segue/message"
)

// HeaderID is the header of a record that has the message's ID. Messages may have no
// header of this name.
const HeaderID = "message-id"

// A Broker is a cluster of Kafka.
type Broker struct {
	settings settings
	client   *kgo.Client // publishes
	admin    *kadm.Client

	mu     sync.Mutex
	topics map[string]bool // that are there
}

var _ message.Broker = (*Broker)(nil)

// Open returns the brokers of a URL once one of them has answered:
//
//	kafka://host:9092,host:9092
//	kafka://user:password@host:9092/?tls=true&sasl=scram-sha-512
//
// Brokers besides these are found. Its parameters:
//
//	tls=true               with TLS, by the certificates that the system trusts
//	ca, cert, key          files: whom to trust instead, and who we are
//	sasl                   scram-sha-512 (if there is a user), scram-sha-256 or plain
//	partitions, replicas   of topics that we create; the broker's own default
//	group-protocol         classic, or consumer (KIP-848), which needs Kafka 4
//	session                how long the messages of an instance that died wait: 10s
//	handover               how long a partition that is taken away waits for handlers: 30s
//	commit                 how often what was acknowledged is told to Kafka: 250ms
//	discovery              how soon partitions that are added to a topic are seen: 15s
//	max-message            bytes that a message and its headers may have: 1048588, as brokers do
//
// Its errors never show the password.
func Open(ctx context.Context, url string) (*Broker, error) {
	s, err := parse(url)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(s.common(),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchMaxBytes(s.maxMessage),
		// No message of a caller waits for one of another caller.
		kgo.ProducerLinger(0),
	)...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	if err := client.Ping(ctx); err != nil {
		client.Close()
		return nil, fmt.Errorf("kafka: none of %s answers; are these the brokers, and is it %s that they speak? %w", s.where(), s.speech(), err)
	}
	return &Broker{settings: s, client: client, admin: kadm.NewClient(client), topics: map[string]bool{}}, nil
}

// Close lets go of connections. Receivers must be closed before.
func (b *Broker) Close() error {
	b.client.Close()
	return nil
}
