package mongodb_test

import (
	"context"
	"log"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/seguehq/segue/job/shedlock/mongodb"
)

// A lock without package job.
func ExampleNew() {
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://127.0.0.1"))
	if err != nil {
		log.Fatal(err)
	}
	guard := mongodb.New(client.Database("shop")) // as new MongoLockProvider(mongo.getDatabase("shop"))

	ctx := context.Background()
	l, ok, by, err := guard.Lock(ctx, "nightly-report", 10*time.Minute)
	if err != nil || !ok {
		log.Fatalf("held by %q, %v", by, err)
	}
	if err := l.Unlock(ctx, time.Minute); err != nil {
		log.Print(err) // it had ended before: somebody else may have made the report, too
	}
}
