// Package redis carries messages over Redis 6.2 or newer, or Valkey, by its streams.
//
// A topic is a stream, segue:message:{topic}, and a group is a consumer group of it.
// Beside it is a stream for what the group's instances have given back,
// segue:message:{topic}:group, on which they wait, too: so it is with another at once.
// A subscription without a group has one of its own, and when it is closed nothing is
// left of it; that of a process which was killed goes within ten minutes.
//
// What a receiver has is pending for it, and it says that it lives, for as long as the
// message is being handled. When it is silent for a lease (30 seconds, ?lease= in the
// URL), as after a kill, others take what it had. A process that stands still for
// longer than that finds its messages handled elsewhere, too.
//
// Messages that all groups have acknowledged are removed from the stream, every few
// seconds, by any process that has published to it or receives from it. A group that
// is no longer used keeps them: remove it by XGROUP DESTROY. A topic of no group keeps
// nothing.
//
// Publish returns nil when the server has the message. Whether it outlives a crash is
// the server's setting: with appendonly yes and appendfsync always it does, with
// everysec the last second may be lost, and without appendonly a restart loses all.
// [Open] warns of the latter.
//
// Messages with the same key come in the order in which they were published, but
// for those that come again. A message's fields in the stream are id, key, time (in
// milliseconds), body, and its headers, so programs without this package can XADD and
// read; without an id, its place is a message's ID: topic/entry. A header that is
// called as one of the fields has header: before its name.
//
// Each topic is in one slot of a cluster, different topics in different ones.
package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/seguehq/segue/internal/redisdial"
	"github.com/seguehq/segue/message"
)

// A Broker is a message.Broker on a Redis server. It must not be copied.
type Broker struct {
	set     settings
	client  rueidis.Client
	scripts scripts
	topics  sync.Map // that were published to or received from, for tidying
	closed  atomic.Bool
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup
}

var _ message.Broker = (*Broker)(nil)

var errClosed = errors.New("message: the broker is closed")

// Open connects to the server of a URL:
//
//	redis://user:password@host:6379/0   0 is the number of the database
//	rediss://…                          over TLS
//	unix:///path/to/socket?db=0
//
// also with valkey and valkeys. Parameters after the question mark: prefix, which the
// names of streams begin with (segue); lease, how long a receiver may be silent, such
// as 30s; addr=host:port, further nodes of a cluster or further sentinels; master_set,
// skip_verify, protocol, dial_timeout, write_timeout, client_name as rueidis.ParseURL
// has them.
//
// The server has to answer. Once open, the broker outlives its restarts.
func Open(ctx context.Context, url string) (*Broker, error) {
	set, err := parse(url)
	if err != nil {
		return nil, err
	}
	b := &Broker{set: set, scripts: newScripts()}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	dialing := redisdial.New(ctx, set.unix)
	set.option.DialCtxFn = dialing.Dial
	if b.client, err = rueidis.NewClient(set.option); err != nil {
		b.cancel()
		return nil, b.fail(ctx, "open", err)
	}
	dialing.Opened()
	if err := b.greet(ctx); err != nil {
		b.cancel()
		b.client.Close()
		return nil, err
	}
	b.running.Go(b.tidy)
	return b, nil
}

// greet sees that the server answers, and how long it keeps what it has.
func (b *Broker) greet(ctx context.Context) error {
	if err := b.client.Do(ctx, b.client.B().Ping().Build()).Error(); err != nil {
		return b.fail(ctx, "open", err)
	}
	info, err := b.client.Do(ctx, b.client.B().Info().Build()).ToString()
	if err != nil {
		return nil // whoever may not ask is not warned
	}
	if strings.Contains(info, "role:slave") && strings.Contains(info, "redis_mode:standalone") {
		return fmt.Errorf("message: %s: open: %s", b.set.where, replica)
	}
	if b.set.cluster = strings.Contains(info, "redis_mode:cluster"); b.set.cluster {
		b.set.wait = time.Second // nobody calls it off: see end
	}
	if strings.Contains(info, "aof_enabled:0") {
		slog.WarnContext(ctx, "message: this Redis keeps messages in memory: a restart may lose them; set appendonly yes", "server", b.set.where)
	}
	return nil
}

// Close implements message.Broker.
func (b *Broker) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	b.cancel()
	b.running.Wait()
	b.client.Close()
	return nil
}

func (b *Broker) enter(ctx context.Context) error {
	if b.closed.Load() {
		return errClosed
	}
	return ctx.Err()
}

// Publish implements message.Broker.
func (b *Broker) Publish(ctx context.Context, m ...message.Message) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	if len(m) == 1 { // as most are
		return b.fail(ctx, "publish to "+m[0].Topic, b.client.Do(ctx, b.add(&m[0])).Error())
	}
	commands := make(rueidis.Commands, len(m))
	for i := range m {
		commands[i] = b.add(&m[i])
	}
	for i, answer := range b.client.DoMulti(ctx, commands...) {
		if err := answer.Error(); err != nil {
			return b.fail(ctx, "publish to "+m[i].Topic, err)
		}
	}
	return nil
}

func (b *Broker) add(m *message.Message) rueidis.Completed {
	if _, known := b.topics.Load(m.Topic); !known {
		b.topics.Store(m.Topic, true)
	}
	c := b.client.B().Xadd().Key(b.set.stream(m.Topic)).Id("*").FieldValue()
	encode(m, func(field, value string) { c = c.FieldValue(field, value) })
	return c.Build()
}

// tidies is how often what all have is removed.
const tidies = 5 * time.Second

// tidy removes what all groups have, from the topics of this process.
func (b *Broker) tidy() {
	for tick := time.NewTicker(tidies); ; {
		select {
		case <-tick.C:
		case <-b.ctx.Done():
			tick.Stop()
			return
		}
		b.topics.Range(func(topic, _ any) bool {
			if err := b.tidyTopic(topic.(string)); err != nil && b.ctx.Err() == nil {
				slog.Debug("message: tidy", "server", b.set.where, "topic", topic, "error", err) // it is done again
			}
			return b.ctx.Err() == nil
		})
	}
}

func (b *Broker) tidyTopic(topic string) error {
	return b.scripts.tidy.Exec(b.ctx, b.client, []string{b.set.stream(topic)}, []string{abandoned}).Error()
}
