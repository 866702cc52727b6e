package redis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/redis"
)

// raw sends a command past the broker.
func raw(t *testing.T, url string, command ...string) rueidis.RedisResult {
	t.Helper()
	option, err := rueidis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	option.ForceSingleClient = true
	c, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	answer := c.Do(t.Context(), c.B().Arbitrary(command...).Build())
	if err := answer.Error(); err != nil {
		t.Fatalf("%q: %v", command, err)
	}
	return answer
}

func number(t *testing.T, url string, command ...string) int64 {
	t.Helper()
	n, err := raw(t, url, command...).AsInt64()
	if err != nil {
		t.Fatalf("%q: %v", command, err)
	}
	return n
}

func subscribe(t *testing.T, b message.Broker, topic, group string, window int) message.Receiver {
	t.Helper()
	r, err := b.Subscribe(t.Context(), message.Subscription{Topic: topic, Group: group, Window: window})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return r
}

func receive(t *testing.T, r message.Receiver) []message.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	d, err := r.Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func publish(t *testing.T, b message.Broker, topic string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := b.Publish(t.Context(), message.Message{ID: id, Topic: topic, Time: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
}

// opened is a broker that is closed after its receivers.
func opened(t *testing.T, url string) *redis.Broker {
	t.Helper()
	b := open(t, url)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestWhatAllGroupsHaveIsRemoved(t *testing.T) {
	t.Parallel()
	url := servertest.RedisURL(t)
	b := opened(t, url)
	done, slow := subscribe(t, b, "orders", "done", 1000), subscribe(t, b, "orders", "slow", 1)
	var all []message.Message
	for n := range 500 {
		all = append(all, message.Message{ID: fmt.Sprint(n), Topic: "orders", Time: time.Now()})
	}
	if err := b.Publish(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
	for got := 0; got < len(all); {
		d := receive(t, done)
		got += len(d)
		if err := done.Ack(t.Context(), d...); err != nil {
			t.Fatal(err)
		}
	}
	held := receive(t, slow)
	redis.Tidy(t, b, "orders")
	if n := number(t, url, "XLEN", "segue:message:{orders}"); n != 500 {
		t.Errorf("%d messages are left, of 500 that one group does not have", n)
	}
	for n := range 400 {
		if err := slow.Ack(t.Context(), held...); err != nil {
			t.Fatal(err)
		}
		held = receive(t, slow)
		if held[0].ID != fmt.Sprint(n+1) {
			t.Fatalf("received %s after %d", held[0].ID, n)
		}
	}
	redis.Tidy(t, b, "orders")
	if n := number(t, url, "XLEN", "segue:message:{orders}"); n < 100 || n > 200 { // by blocks of a hundred
		t.Errorf("%d messages are left, one group does not have 100 of them", n)
	}
}

func TestATopicOfNoGroupKeepsNothing(t *testing.T) {
	t.Parallel()
	url := servertest.RedisURL(t)
	b := opened(t, url)
	publish(t, b, "orders", "1", "2")
	redis.Tidy(t, b, "orders")
	if n := number(t, url, "XLEN", "segue:message:{orders}"); n != 0 {
		t.Errorf("%d messages are left", n)
	}
}

func TestASubscriptionOfItsOwnLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	url := servertest.RedisURL(t)
	b := opened(t, url)
	r := subscribe(t, b, "orders", "", 5)
	publish(t, b, "orders", "1")
	d := receive(t, r)
	if err := r.Return(t.Context(), d...); err != nil {
		t.Fatal(err)
	}
	if again := receive(t, r); again[0].ID != "1" {
		t.Errorf("received %s", again[0].ID)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys, err := raw(t, url, "KEYS", "*").AsStrSlice()
	if err != nil || !slices.Equal(keys, []string{"segue:message:{orders}"}) {
		t.Errorf("the server has %q, %v", keys, err)
	}
	groups, err := raw(t, url, "XINFO", "GROUPS", "segue:message:{orders}").ToArray()
	if err != nil || len(groups) != 0 {
		t.Errorf("the topic has %d groups, %v", len(groups), err)
	}
}

func TestASubscriptionOfOneWhoWasKilledIsTidiedAway(t *testing.T) {
	t.Parallel()
	url := servertest.RedisURL(t)
	b := opened(t, url)
	raw(t, url, "XGROUP", "CREATE", "segue:message:{orders}", "/dead", "$", "MKSTREAM")
	raw(t, url, "XGROUP", "CREATE", "segue:message:{orders}", "waits", "$")
	living := subscribe(t, b, "orders", "", 5)
	publish(t, b, "orders", "1")
	receive(t, living)
	redis.Tidy(t, b, "orders")
	groups, err := raw(t, url, "XINFO", "GROUPS", "segue:message:{orders}").ToArray()
	if err != nil || len(groups) != 2 {
		t.Errorf("the topic has %d groups, want the living one and the one that lasts; %v", len(groups), err)
	}
}

func TestWhatIsBeingHandledIsNotTakenAfterALease(t *testing.T) {
	t.Parallel()
	url := with(t, servertest.RedisURL(t), "lease", "1s")
	b := opened(t, url)
	working, idle := subscribe(t, b, "orders", "g", 1), (message.Receiver)(nil)
	publish(t, b, "orders", "1")
	d := receive(t, working)
	idle = subscribe(t, b, "orders", "g", 1)
	ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
	defer cancel()
	if got, err := idle.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("another received %d messages, %v", len(got), err)
	}
	if err := working.Ack(t.Context(), d...); err != nil {
		t.Error(err)
	}
}

func TestWhatTheDeadHadCountsAsTried(t *testing.T) {
	t.Parallel()
	url := with(t, servertest.RedisURL(t), "lease", "1s")
	b := opened(t, url)
	r := subscribe(t, b, "orders", "g", 5)
	raw(t, url, "XADD", "segue:message:{orders}", "*", "id", "1", "colour", "red") // by a program without this package
	d := receive(t, r)
	if d[0].Attempt != 1 || d[0].Header["colour"] != "red" {
		t.Errorf("received %+v", d[0].Message)
	}
	if err := r.Return(t.Context(), d...); err != nil { // unhandled, therefore not tried
		t.Fatal(err)
	}
	// A dead consumer takes what was given back before anybody else does.
	if d = receive(t, r); d[0].Attempt != 1 {
		t.Errorf("what was given back came as attempt %d", d[0].Attempt)
	}
	id := redis.EntryID(d[0])
	raw(t, url, "XCLAIM", "segue:message:{orders}:g", "g", "dead", "0", id)
	if again := receive(t, r); again[0].ID != "1" || again[0].Attempt != 3 || again[0].Header["colour"] != "red" {
		t.Errorf("received %+v, want attempt 3: it was given to two before", again[0].Message)
	}
}

func TestAMessageWithoutAnIDIsKnownByItsPlace(t *testing.T) {
	t.Parallel()
	url := servertest.RedisURL(t)
	b := opened(t, url)
	r := subscribe(t, b, "orders", "g", 5)
	entry, err := raw(t, url, "XADD", "segue:message:{orders}", "*", "body", "x").ToString()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		d := receive(t, r)
		if d[0].ID != "orders/"+entry {
			t.Errorf("received %q, want orders/%s", d[0].ID, entry)
		}
		if err := r.Return(t.Context(), d...); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAReceiverOutlivesAServerThatForgets(t *testing.T) {
	t.Parallel()
	s := servertest.Redis(t)
	b := opened(t, s.URL())
	r, own := subscribe(t, b, "orders", "g", 5), subscribe(t, b, "orders", "", 5)
	publish(t, b, "orders", "1")
	receive(t, r)
	receive(t, own)
	s.Stop(t)
	s.Forget(t)
	s.Start(t)
	servertest.Eventually(t, "published", func() bool {
		return b.Publish(t.Context(), message.Message{ID: "2", Topic: "orders"}) == nil
	})
	for _, r := range []message.Receiver{r, own} {
		servertest.Eventually(t, "it comes", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
			defer cancel()
			d, err := r.Receive(ctx)
			return err == nil && d[0].ID == "2"
		})
	}
}

func TestErrorsSayWhatToDoAndNoPassword(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"redis://u:hu/hush@host":             "%2F",
		"redis://u:hush@host/0?prefx=a":      `parameter "prefx"; there are addr,`,
		"redis://u:hush@host/0?prefix={a}":   "prefix={a}",
		"redis://u:hush@host/0?lease=1ms":    "between 1s and",
		"redis://u:hush@host/zero":           `invalid database number: "zero"`,
		"redis://u:hush@127.0.0.1:1/0":       "is the server running",
		"redis://u:hush@127.0.0.1:1/0?db=no": "database number",
	} {
		b, err := redis.Open(t.Context(), url)
		if err == nil {
			_ = b.Close()
			t.Errorf("%s: opened", url)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v; want %q and no password", url, err, want)
		}
	}
}

func TestATopicThatIsSomethingElseIsRefused(t *testing.T) {
	t.Parallel()
	url := servertest.RedisURL(t)
	b := opened(t, url)
	raw(t, url, "SET", "segue:message:{orders}", "x")
	err := b.Publish(t.Context(), message.Message{ID: "1", Topic: "orders"})
	if !errors.Is(err, message.ErrRefused) || !strings.Contains(err.Error(), "?prefix=name") {
		t.Error(err)
	}
	if _, err := b.Subscribe(t.Context(), message.Subscription{Topic: "orders", Group: "g", Window: 1}); err == nil {
		t.Error("subscribed to it")
	}
}
