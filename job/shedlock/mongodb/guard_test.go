package mongodb_test

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/job/shedlock/mongodb"
	"github.com/seguehq/segue/job/shedlock/shedlocktest"
)

func TestMain(m *testing.M) {
	shedlocktest.Main(m, func(at string) (job.Guard, error) {
		db, err := connect(at)
		if err != nil {
			return nil, err
		}
		return mongodb.New(db), nil
	})
}

// connect opens the database that the path of a URL names.
func connect(at string) (*mongo.Database, error) {
	u, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	c, err := mongo.Connect(options.Client().ApplyURI(at).SetServerSelectionTimeout(time.Second))
	if err != nil {
		return nil, err
	}
	return c.Database(u.Path[1:]), nil
}

func open(t testing.TB, at string) *mongo.Database {
	t.Helper()
	db, err := connect(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Client().Disconnect(context.Background()) })
	return db
}

func TestGuard(t *testing.T) {
	db := open(t, servertest.MongoURL(t))
	d := documents{db.Collection("shedLock")}
	shedlocktest.Test(t, shedlocktest.Driver{
		Open:  func(_ testing.TB, lockedBy string) job.Guard { return mongodb.New(db, mongodb.LockedBy(lockedBy)) },
		Read:  d.read,
		Write: d.write,
		Now:   func(testing.TB) time.Time { return time.Now().Truncate(time.Millisecond) },
	})
}

// documents are the records as others see them.
type documents struct{ collection *mongo.Collection }

func (d documents) read(t testing.TB, name string) (shedlocktest.Record, bool) {
	t.Helper()
	var all bson.M
	err := d.collection.FindOne(t.Context(), bson.D{{Key: "_id", Value: name}}).Decode(&all)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return shedlocktest.Record{}, false
	}
	if err != nil {
		t.Fatal(err)
	}
	until, ok := all["lockUntil"].(bson.DateTime)
	at, ok2 := all["lockedAt"].(bson.DateTime)
	by, ok3 := all["lockedBy"].(string)
	if !ok || !ok2 || !ok3 || len(all) != 4 {
		t.Fatalf("%v is no record of ShedLock's", all)
	}
	return shedlocktest.Record{Until: until.Time().UTC(), At: at.Time().UTC(), By: by}, true
}

func (d documents) write(t testing.TB, name string, r shedlocktest.Record) {
	t.Helper()
	id := bson.D{{Key: "_id", Value: name}}
	_, err := d.collection.ReplaceOne(t.Context(), id, bson.D{{Key: "_id", Value: name}, {Key: "lockUntil", Value: r.Until}, {Key: "lockedAt", Value: r.At}, {Key: "lockedBy", Value: r.By}},
		options.Replace().SetUpsert(true))
	if err != nil {
		t.Fatal(err)
	}
}

func TestCollectionHasAnotherName(t *testing.T) {
	db := open(t, servertest.MongoURL(t))
	if _, ok, _, err := mongodb.New(db, mongodb.Collection("locks")).Lock(t.Context(), "a", time.Minute); !ok || err != nil {
		t.Fatalf("lock: %v, %v", ok, err)
	}
	if _, ok := (documents{db.Collection("locks")}).read(t, "a"); !ok {
		t.Error("there is no record in it")
	}
}

func TestFaults(t *testing.T) {
	s := servertest.Mongo(t)
	w := servertest.NewWire(t, s.Addr())
	shedlocktest.TestFaults(t, shedlocktest.Faults{
		Open: func(t testing.TB, lockedBy string) job.Guard {
			return mongodb.New(open(t, "mongodb://"+w.Addr()+"/test?directConnection=true"), mongodb.LockedBy(lockedBy))
		},
		Stop: func(testing.TB) { s.Stop() },
		Start: func(t testing.TB) {
			if err := s.Again(); err != nil {
				t.Fatal(err)
			}
		},
		Cut:  func(testing.TB) { w.Cut() },
		Mute: func(testing.TB) { w.Mute() },
		URL:  "mongodb://" + s.Addr() + "/test",
	})
}
