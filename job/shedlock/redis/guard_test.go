package redis_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/job/shedlock/redis"
	"github.com/seguehq/segue/job/shedlock/shedlocktest"
)

func TestMain(m *testing.M) {
	shedlocktest.Main(m, func(at string) (job.Guard, error) {
		c, err := connect(at)
		if err != nil {
			return nil, err
		}
		return redis.New(c), nil
	})
}

func connect(at string) (rueidis.Client, error) {
	o, err := rueidis.ParseURL(at)
	if err != nil {
		return nil, err
	}
	o.DisableCache = true
	return rueidis.NewClient(o)
}

func open(t testing.TB, at string) rueidis.Client {
	t.Helper()
	c, err := connect(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestGuard(t *testing.T) {
	k := keys{open(t, servertest.RedisURL(t))}
	shedlocktest.Test(t, shedlocktest.Driver{
		Open: func(_ testing.TB, lockedBy string) job.Guard { return redis.New(k.client, redis.LockedBy(lockedBy)) },
		Read: k.read, Write: k.write, Now: k.now,
		Forgets: true,
		Slack:   patience,
	})
}

// patience is what a busy machine may take between a key's expiry being read and
// the server's clock.
const patience = time.Second

// keys are the records as others see them.
type keys struct{ client rueidis.Client }

const prefix = "job-lock:default:"

func (k keys) read(t testing.TB, name string) (shedlocktest.Record, bool) {
	t.Helper()
	c := k.client
	value, err := c.Do(t.Context(), c.B().Get().Key(prefix+name).Build()).ToString()
	if rueidis.IsRedisNil(err) {
		return shedlocktest.Record{}, false
	}
	if err != nil {
		t.Fatal(err)
	}
	at, by, ok := strings.Cut(strings.TrimPrefix(value, "ADDED:"), "@")
	taken, err := time.Parse("2006-01-02T15:04:05.000Z", at)
	if !ok || err != nil {
		t.Fatalf("%q is no value of ShedLock's: %v", value, err)
	}
	end, err := c.Do(t.Context(), c.B().Pexpiretime().Key(prefix+name).Build()).AsInt64()
	if err != nil {
		t.Fatal(err)
	}
	return shedlocktest.Record{Until: time.UnixMilli(end).UTC(), At: taken, By: by}, true
}

func (k keys) write(t testing.TB, name string, r shedlocktest.Record) {
	t.Helper()
	c := k.client
	value := "ADDED:" + r.At.UTC().Format("2006-01-02T15:04:05.000Z") + "@" + r.By
	set := c.B().Set().Key(prefix + name).Value(value).PxatMillisecondsTimestamp(r.Until.UnixMilli()).Build()
	if err := c.Do(t.Context(), set).Error(); err != nil {
		t.Fatal(err)
	}
}

func (k keys) now(t testing.TB) time.Time {
	t.Helper()
	s, err := k.client.Do(t.Context(), k.client.B().Time().Build()).AsIntSlice()
	if err != nil {
		t.Fatal(err)
	}
	return time.Unix(s[0], s[1]*1000).UTC()
}

func TestPrefixAndEnvironmentAreJavas(t *testing.T) {
	c := open(t, servertest.RedisURL(t))
	g := redis.New(c, redis.Prefix("locks"), redis.Environment("prod"), redis.LockedBy("host-a"))
	before := time.Now()
	if _, ok, _, err := g.Lock(t.Context(), "orders:sync", time.Minute); !ok || err != nil {
		t.Fatalf("lock: %v, %v", ok, err)
	}
	value, err := c.Do(t.Context(), c.B().Get().Key("locks:prod:orders:sync").Build()).ToString()
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`^ADDED:(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)@host-a:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).FindStringSubmatch(value)
	if m == nil {
		t.Fatalf("the value is %q", value)
	}
	if at, err := time.Parse(time.RFC3339, m[1]); err != nil || at.Before(before.Truncate(time.Millisecond)) || at.After(time.Now()) {
		t.Errorf("taken at %v, %v; it was %v", at, err, before)
	}
}

func TestFaults(t *testing.T) {
	s := servertest.Redis(t)
	w := servertest.NewWire(t, s.Addr())
	shedlocktest.TestFaults(t, shedlocktest.Faults{
		Open: func(t testing.TB, lockedBy string) job.Guard {
			return redis.New(open(t, strings.Replace(s.URL(), s.Addr(), w.Addr(), 1)), redis.LockedBy(lockedBy))
		},
		Stop:   s.Kill,
		Start:  s.Start,
		Cut:    func(testing.TB) { w.Cut() },
		Mute:   func(testing.TB) { w.Mute() },
		URL:    s.URL(),
		Secret: s.Password(),
	})
}
