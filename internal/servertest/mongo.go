package servertest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/seguehq/segue/internal/servertest/mongo"
)

// MongoEnv names the URL of a real MongoDB server that the tests are to use:
// mongodb://user:password@host:port/?authSource=admin.
const MongoEnv = "SEGUE_TEST_MONGODB"

// Mongo starts a MongoDB server of the test's own, which it may stop and start: it
// is the small one of ours, also if the tests use a real one.
func Mongo(t testing.TB) *mongo.Server {
	t.Helper()
	s, err := mongo.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// MongoURL is an empty database of the MongoDB server that $SEGUE_TEST_MONGODB
// names, or, without it, of a small one of ours that the tests of the binary share:
// mongodb://host:port/database. It is dropped when the test ends.
func MongoURL(t testing.TB) string {
	t.Helper()
	u, err := mongoServer()
	if err != nil {
		t.Fatalf("%s: %v", MongoEnv, err)
	}
	of := *u
	of.Path = "/test" + strings.ToLower(rand.Text())
	t.Cleanup(func() {
		if err := dropMongo(of.String(), of.Path[1:]); err != nil {
			t.Error(err)
		}
	})
	return of.String()
}

var mongoServer = sync.OnceValues(func() (*url.URL, error) {
	if at := os.Getenv(MongoEnv); at != "" {
		return url.Parse(at)
	}
	s, err := mongo.Start()
	if err != nil {
		return nil, err
	}
	return &url.URL{Scheme: "mongodb", Host: s.Addr()}, nil
})

func dropMongo(url, database string) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	client, err := driver.Connect(options.Client().ApplyURI(url))
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(ctx) }() // it has no more to say
	return client.Database(database).Drop(ctx)
}
