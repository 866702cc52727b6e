package embedded_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/embedded"
)

// BenchmarkBroker publishes and consumes at the same time, by handles of their own, as
// two processes do.
func BenchmarkBroker(b *testing.B) {
	for _, kind := range []string{"sqlite", "redis", "postgres"} {
		for _, c := range []struct{ publishers, members int }{{1, 1}, {16, 1}, {16, 5}} {
			b.Run(fmt.Sprintf("%s,publishers=%d,members=%d", kind, c.publishers, c.members), func(b *testing.B) { throughput(b, kind, c.publishers, c.members) })
		}
	}
}

func throughput(b *testing.B, kind string, publishers, members int) {
	url := "sqlite://" + filepath.Join(b.TempDir(), "store.db")
	switch kind {
	case "redis":
		url = servertest.RedisURL(b)
	case "postgres":
		url = servertest.PostgresURL(b)
	}
	open := func() message.Broker {
		s, err := servertest.Open(b.Context(), url)
		if err != nil {
			b.Fatal(err)
		}
		o := owner{embedded.New(s), s}
		b.Cleanup(func() {
			if err := o.Close(); err != nil {
				b.Error(err)
			}
		})
		return o
	}
	var receivers []message.Receiver
	for range members {
		r, err := open().Subscribe(b.Context(), message.Subscription{Topic: "t", Group: "g", Window: 200})
		if err != nil {
			b.Fatal(err)
		}
		receivers = append(receivers, r)
	}
	from, body := open(), make([]byte, 200)
	each := (b.N + publishers - 1) / publishers
	b.ResetTimer()
	var publishing sync.WaitGroup
	for range publishers {
		publishing.Go(func() {
			for n := range each {
				if err := from.Publish(b.Context(), message.Message{ID: fmt.Sprint(n), Topic: "t", Body: body, Time: time.Now()}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	ctx, cancel := context.WithCancel(b.Context())
	var received atomic.Int64
	var receiving sync.WaitGroup
	for _, r := range receivers {
		receiving.Go(func() {
			for ctx.Err() == nil {
				d, err := r.Receive(ctx)
				if err == nil {
					err = r.Ack(b.Context(), d...)
				}
				if err != nil && ctx.Err() == nil {
					b.Error(err)
				}
				if received.Add(int64(len(d))) >= int64(each*publishers) {
					cancel()
				}
			}
		})
	}
	publishing.Wait()
	receiving.Wait()
	cancel()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	b.StopTimer()
	for _, r := range receivers {
		if err := r.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
