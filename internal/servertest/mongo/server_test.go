package mongo_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/seguehq/segue/internal/servertest/mongo"
)

// d is a document of keys and their values in turn.
func d(pairs ...any) bson.D {
	all := bson.D{}
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, bson.E{Key: pairs[i].(string), Value: pairs[i+1]})
	}
	return all
}

func start(t *testing.T) (*mongo.Server, *driver.Collection) {
	t.Helper()
	s, err := mongo.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	c, err := driver.Connect(options.Client().ApplyURI("mongodb://" + s.Addr()).SetServerSelectionTimeout(5 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Disconnect(context.Background()) })
	return s, c.Database("db").Collection("c")
}

func TestTwoDocumentsOfOneIDAreRefused(t *testing.T) {
	_, c := start(t)
	if _, err := c.InsertOne(t.Context(), d("_id", "a", "n", 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.InsertOne(t.Context(), d("_id", "a", "n", 2)); !driver.IsDuplicateKeyError(err) {
		t.Errorf("a second insert: %v; want code 11000", err)
	}
	upsert := options.FindOneAndUpdate().SetUpsert(true)
	err := c.FindOneAndUpdate(t.Context(), d("_id", "a", "n", 7), d("$set", d("x", 1)), upsert).Err()
	if !driver.IsDuplicateKeyError(err) {
		t.Errorf("an upsert whose filter does not match: %v; want code 11000", err)
	}
}

func TestUpsertMakesWhatItsFilterSays(t *testing.T) {
	_, c := start(t)
	now := time.Now().Truncate(time.Millisecond)
	err := c.FindOneAndUpdate(t.Context(), d("_id", "a", "until", d("$lte", now)), d("$set", d("until", now, "by", "x")),
		options.FindOneAndUpdate().SetUpsert(true)).Err()
	if !errors.Is(err, driver.ErrNoDocuments) {
		t.Fatalf("there was none before: %v", err)
	}
	var got struct {
		ID    string `bson:"_id"`
		Until time.Time
		By    string
	}
	if err := c.FindOne(t.Context(), d("until", d("$gte", now))).Decode(&got); err != nil || got.ID != "a" || got.By != "x" || !got.Until.Equal(now) {
		t.Errorf("found %+v, %v", got, err)
	}
}

func TestOneOfManyUpdatesFindsTheDocumentAsItWas(t *testing.T) {
	_, c := start(t)
	if _, err := c.InsertOne(t.Context(), d("_id", "a", "n", 0)); err != nil {
		t.Fatal(err)
	}
	var won atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			r, err := c.UpdateOne(t.Context(), d("_id", "a", "n", 0), d("$inc", d("n", 1)))
			if err != nil {
				t.Error(err)
				return
			}
			won.Add(int32(r.ModifiedCount))
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 20 found it", won.Load())
	}
}

func TestWhatIsDeletedIsGone(t *testing.T) {
	_, c := start(t)
	if _, err := c.InsertMany(t.Context(), []any{d("n", 1), d("n", 2), d("n", 3)}); err != nil {
		t.Fatal(err)
	}
	r, err := c.DeleteMany(t.Context(), d("n", d("$gt", 1)))
	if err != nil || r.DeletedCount != 2 {
		t.Fatalf("deleted %v, %v", r, err)
	}
	found, err := c.Find(t.Context(), d())
	if err != nil {
		t.Fatal(err)
	}
	var left []bson.M
	if err := found.All(t.Context(), &left); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestWhatItDoesNotKnowIsRefused(t *testing.T) {
	_, c := start(t)
	if _, err := c.InsertOne(t.Context(), d("_id", "a")); err != nil {
		t.Fatal(err)
	}
	_, aggregate := c.Aggregate(t.Context(), driver.Pipeline{})
	_, sorted := c.Find(t.Context(), d(), options.Find().SetSort(d("n", 1)))
	_, operator := c.Find(t.Context(), d("n", d("$regex", "x")))
	_, modifier := c.UpdateOne(t.Context(), d(), d("$push", d("n", 1)))
	_, many := c.UpdateMany(t.Context(), d(), d("$set", d("n", 1)))
	for what, err := range map[string]error{"aggregate": aggregate, "sort": sorted, "$regex": operator, "$push": modifier, "many": many} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

func TestStopKeepsWhatWasAnswered(t *testing.T) {
	s, c := start(t)
	if _, err := c.InsertOne(t.Context(), d("_id", "a")); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if err := s.Again(); err != nil {
		t.Fatal(err)
	}
	if err := c.FindOne(t.Context(), d("_id", "a")).Err(); err != nil {
		t.Error(err)
	}
}
