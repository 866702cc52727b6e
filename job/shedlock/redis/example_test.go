package redis_test

import (
	"context"
	"log"
	"time"

	"github.com/redis/rueidis"

	"github.com/seguehq/segue/job/shedlock/redis"
)

// A lock without package job.
func ExampleNew() {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"127.0.0.1:6379"}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	guard := redis.New(client, redis.Environment("prod")) // as new JedisLockProvider(pool, "prod", true)

	ctx := context.Background()
	l, ok, by, err := guard.Lock(ctx, "nightly-report", 10*time.Minute)
	if err != nil || !ok {
		log.Fatalf("held by %q, %v", by, err)
	}
	if err := l.Unlock(ctx, time.Minute); err != nil {
		log.Print(err) // it had ended before: somebody else may have made the report, too
	}
}
