package kafka_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/kafka"
)

// open opens a broker that is closed when the test ends, after its receivers.
func open(t testing.TB, url string) *kafka.Broker {
	t.Helper()
	b, err := kafka.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// A member is a receiver that is closed when the test ends.
type member struct {
	message.Receiver
	t testing.TB
}

func subscribe(t testing.TB, b *kafka.Broker, topic, group string, window int) *member {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	r, err := b.Subscribe(ctx, message.Subscription{Topic: topic, Group: group, Window: window})
	if err != nil {
		t.Fatal(err)
	}
	m := &member{r, t}
	t.Cleanup(m.leave)
	return m
}

func (m *member) leave() {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.t.Context()), servertest.Patience)
	defer cancel()
	if err := m.Close(ctx); err != nil {
		m.t.Error(err)
	}
}

// next receives n messages.
func (m *member) next(n int) (all []message.Delivery) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), servertest.Patience)
	defer cancel()
	for len(all) < n {
		d, err := m.Receive(ctx)
		if err != nil {
			m.t.Fatalf("after %d messages of %d: %v", len(all), n, err)
		}
		all = append(all, d...)
	}
	return all
}

// now receives what is there.
func (m *member) now() []message.Delivery {
	ctx, cancel := context.WithTimeout(m.t.Context(), 20*time.Millisecond)
	defer cancel()
	d, err := m.Receive(ctx)
	if err != nil && ctx.Err() == nil {
		m.t.Error(err)
	}
	return d
}

func (m *member) ack(d ...message.Delivery) {
	m.t.Helper()
	if err := m.Ack(m.t.Context(), d...); err != nil {
		m.t.Error(err)
	}
}

// nothing sees that nothing comes for a while.
func (m *member) nothing(while time.Duration) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), while)
	defer cancel()
	if d, err := m.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
		m.t.Fatalf("got %d messages, %v", len(d), err)
	}
}

func topic() string { return "test." + rand.Text() }

func publish(t testing.TB, b *kafka.Broker, topic string, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		m := message.Message{ID: fmt.Sprint(n), Topic: topic, Key: fmt.Sprint("key", n), Time: time.Now(), Body: fmt.Append(nil, n)}
		if err := b.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}

func ids(d []message.Delivery) (all []string) {
	for _, d := range d {
		all = append(all, d.ID)
	}
	return all
}

func TestANewGroupBeginsWhereTheTopicEnds(t *testing.T) {
	t.Parallel()
	b, topic := open(t, "kafka://"+servertest.KafkaBrokers(t)), topic()
	publish(t, b, topic, 0, 5)
	var all [4]*member
	var joining sync.WaitGroup
	for i := range all { // at the same time
		joining.Go(func() { all[i] = subscribe(t, b, topic, "g", 10) })
	}
	joining.Wait()
	publish(t, b, topic, 5, 25)
	var got []string
	var mu sync.Mutex
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	var receiving sync.WaitGroup
	for _, m := range all {
		receiving.Go(func() {
			for ctx.Err() == nil {
				d, _ := m.Receive(ctx)
				m.ack(d...)
				mu.Lock()
				if got = append(got, ids(d)...); len(got) >= 20 {
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	receiving.Wait()
	slices.Sort(got)
	if len(slices.Compact(slices.Clone(got))) != 20 || len(got) != 20 || slices.Contains(got, "4") {
		t.Errorf("got %v, want 5 to 24", got)
	}
}

func TestOnlyWhatIsDoneWithoutAGapIsToldToKafka(t *testing.T) {
	t.Parallel()
	b, topic := open(t, "kafka://"+servertest.KafkaBrokers(t)+"/?partitions=1"), topic()
	m := subscribe(t, b, topic, "g", 10)
	publish(t, b, topic, 0, 6)
	d := m.next(6)
	m.ack(d[0], d[1], d[3], d[5])
	m.leave()
	m = subscribe(t, b, topic, "g", 10)
	if got := ids(m.next(4)); !slices.Equal(got, []string{"2", "3", "4", "5"}) {
		t.Errorf("got %v", got)
	}
}

func TestWhatIsGivenBackComesAgainAndHoldsNothingUp(t *testing.T) {
	t.Parallel()
	b, topic := open(t, "kafka://"+servertest.KafkaBrokers(t)+"/?partitions=1"), topic()
	m := subscribe(t, b, topic, "g", 3)
	publish(t, b, topic, 0, 5)
	d := m.next(3)
	if err := m.Return(t.Context(), d[1]); err != nil {
		t.Fatal(err)
	}
	again := m.next(1)
	if again[0].ID != "1" || again[0].Attempt != 2 {
		t.Errorf("got %s, attempt %d", again[0].ID, again[0].Attempt)
	}
	m.ack(d...) // the one that was given back is not in these hands any more, but in those
	m.ack(again...)
	m.ack(m.next(2)...)
	m.leave()
	subscribe(t, b, topic, "g", 3).nothing(200 * time.Millisecond)
}

func TestMessagesThatAreTooLarge(t *testing.T) {
	t.Parallel()
	addr := servertest.KafkaBrokers(t)
	large := message.Message{ID: "large", Topic: topic(), Time: time.Now(), Body: []byte(rand.Text())}
	for len(large.Body) < 1<<20 {
		large.Body = append(large.Body, rand.Text()...) // nothing that could be compressed away
	}
	for name, url := range map[string]string{"for us": "kafka://" + addr, "for the broker": "kafka://" + addr + "/?max-message=10000000"} {
		err := open(t, url).Publish(t.Context(), large)
		if !errors.Is(err, message.ErrRefused) || !strings.Contains(err.Error(), fmt.Sprintf("message large for %q has a body of %d bytes", large.Topic, len(large.Body))) {
			t.Errorf("too large %s: got %v", name, err)
		}
	}
}

func TestPublishIsCalledOffWhileTheBrokersAreSilent(t *testing.T) {
	t.Parallel()
	k := servertest.Kafka(t)
	b, topic := open(t, "kafka://"+k.Brokers()), topic()
	publish(t, b, topic, 0, 1)
	awake := make(chan struct{})
	k.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.SleepControl(func() { <-awake })
		return nil, nil, false
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := b.Publish(ctx, message.Message{ID: "x", Topic: topic, Time: time.Now()})
	close(awake)
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, message.ErrRefused) {
		t.Errorf("got %v", err)
	}
}

func TestOpenSaysWhereNobodyAnswers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := kafka.Open(ctx, "kafka://user:hush@127.0.0.1:1")
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v", err)
	}
}

func TestPartitionsThatAreAddedAreRead(t *testing.T) {
	t.Parallel()
	addr := servertest.KafkaBrokers(t)
	b, topic := open(t, "kafka://"+addr+"/?partitions=1&discovery=100ms"), topic()
	group, all := subscribe(t, b, topic, "g", 100), subscribe(t, b, topic, "", 100)
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(addr, ",")...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).UpdatePartitions(t.Context(), 4, topic); err != nil {
		t.Fatal(err)
	}
	publish(t, open(t, "kafka://"+addr), topic, 0, 40)
	for _, m := range []*member{group, all} {
		got := m.next(40)
		slices.SortFunc(got, func(a, b message.Delivery) int { return strings.Compare(a.ID, b.ID) })
		if n := len(slices.Compact(ids(got))); n != 40 {
			t.Errorf("got %d messages of 40", n)
		}
		m.ack(got...)
	}
}
