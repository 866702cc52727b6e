// Package mongodb keeps the locks of package shedlock in MongoDB, as ShedLock's
// MongoLockProvider does: a document for each lock.
//
// Times are those of this process's clock, as they are in Java: the clocks of all
// machines have to agree, to much less than the shortest lock.
//
// ShedLock's own unlock looks at the name alone: a process in Java whose lock has
// ended, and which unlocks all the same, frees a lock that is ours by then. The Java side's
// lockAtMostFor is therefore to be longer than its longest run. Ours
// changes nothing but its own.
package mongodb

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/job/shedlock/internal/record"
)

// A Guard is a job.Guard on a collection. It may be used concurrently.
type Guard struct {
	collection *mongo.Collection
	lockedBy   string
	doubts     record.Doubts
}

var _ job.Guard = (*Guard)(nil)

// An Option changes what New makes.
type Option func(*settings)

type settings struct{ collection, lockedBy string }

// Collection names the collection: "shedLock" without it, as in Java.
func Collection(name string) Option { return func(s *settings) { s.collection = name } }

// LockedBy sets who is said to hold the locks: the host's name without it. What is
// written is this name, a colon and a UUID, another with each grant: ShedLock's own
// extend compares it, and so finds none of our locks to be its own.
func LockedBy(name string) Option {
	record.LockedBy(name)
	return func(s *settings) { s.lockedBy = name }
}

// New returns the guard whose locks are in a collection of db. It reads and writes
// with majority concern, whatever db does, and makes the collection when it takes
// the first lock.
func New(db *mongo.Database, with ...Option) *Guard {
	s := settings{collection: "shedLock", lockedBy: record.Host()}
	for _, o := range with {
		o(&s)
	}
	majority := options.Collection().SetWriteConcern(writeconcern.Majority()).SetReadConcern(readconcern.Majority())
	return &Guard{collection: db.Collection(s.collection, majority), lockedBy: s.lockedBy}
}

// Lock takes the lock until atMost from now, rounded down to milliseconds, which is
// at least one. ok is false if somebody else has it: by is what lockedBy says of who.
func (g *Guard) Lock(ctx context.Context, name string, atMost time.Duration) (l job.GuardLock, ok bool, by string, err error) {
	if err := record.Check(name, atMost); err != nil {
		return nil, false, "", err
	}
	h := &grant{guard: g, name: name, by: record.Identity(g.lockedBy)}
	return g.doubts.Lock(ctx, name, atMost, h.by, h)
}

// now has milliseconds, as MongoDB's dates.
func now() time.Time { return time.Now().Truncate(time.Millisecond) }

// A grant is one lock that was given, or is asked for.
type grant struct {
	guard *Guard
	name  string
	by    string // no other grant has the same
	at    time.Time
}

// Take is that of record.Grant. It writes the document if there is none, or one that has ended. If there is one
// that has not, the filter finds nothing, so a second of the same name would be made:
// MongoDB refuses that.
func (h *grant) Take(ctx context.Context, atMost time.Duration) (ok bool, by string, err error) {
	h.at = now()
	free := bson.D{{Key: "_id", Value: h.name}, {Key: "lockUntil", Value: bson.D{{Key: "$lte", Value: h.at}}}}
	taken := bson.D{{Key: "lockUntil", Value: h.at.Add(atMost)}, {Key: "lockedAt", Value: h.at}, {Key: "lockedBy", Value: h.by}}
	err = h.guard.collection.FindOneAndUpdate(ctx, free, bson.D{{Key: "$set", Value: taken}}, options.FindOneAndUpdate().SetUpsert(true)).Err()
	switch {
	case err == nil, errors.Is(err, mongo.ErrNoDocuments): // there was none before
		return true, "", nil
	case !mongo.IsDuplicateKeyError(err):
		return false, "", err
	}
	return false, h.holder(ctx), nil
}

// holder is who has the lock, or nothing if that is not to be learned.
func (h *grant) holder(ctx context.Context) string {
	var held struct {
		By string `bson:"lockedBy"`
	}
	if h.guard.collection.FindOne(ctx, bson.D{{Key: "_id", Value: h.name}}).Decode(&held) != nil {
		return ""
	}
	return held.By
}

// Extend is that of record.Grant.
func (h *grant) Extend(ctx context.Context, atMost time.Duration) (bool, error) {
	t := now()
	return h.until(ctx, t, t.Add(atMost))
}

// Unlock is that of record.Grant.
func (h *grant) Unlock(ctx context.Context, atLeast time.Duration) (bool, error) {
	t, least := now(), h.at.Add(atLeast)
	if least.Before(t) {
		least = t
	}
	return h.until(ctx, t, least)
}

// until sets when the lock ends, if the document is the grant's and has not ended.
func (h *grant) until(ctx context.Context, now, end time.Time) (bool, error) {
	own := bson.D{{Key: "_id", Value: h.name}, {Key: "lockedBy", Value: h.by}, {Key: "lockUntil", Value: bson.D{{Key: "$gt", Value: now}}}}
	result, err := h.guard.collection.UpdateOne(ctx, own, bson.D{{Key: "$set", Value: bson.D{{Key: "lockUntil", Value: end}}}})
	if err != nil {
		return false, err
	}
	return result.MatchedCount == 1, nil
}
