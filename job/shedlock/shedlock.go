// Package shedlock lets services in Go and services in Java exclude one another:
// its guards write the records of ShedLock 7.9.0, and honour those that ShedLock
// has written.
//
// A guard is made by the package of its database: [sql], [redis], [mongodb]. Given
// to package job (job.WithGuard), it is taken around each run. Alone it is a lock
// that is taken or refused, and never waited for:
//
//	l, ok, by, err := guard.Lock(ctx, "nightly-report", 10*time.Minute)
//	if err != nil || !ok {
//		return err // held by whoever is named in by
//	}
//	defer l.Unlock(context.WithoutCancel(ctx), 0)
//
// All guards promise:
//
//   - A lock is given when there is no record of its name, or one that has ended.
//     Of any number of services that ask at once, in Go or in Java, one gets it.
//   - Each grant is known by an identity of its own, which no other has, also in the
//     same process. Extend and Unlock act on that grant or on nothing: a lock that
//     has ended, and which somebody else may have by now, is left alone, and
//     reported: Extend says false, Unlock says [ErrLost].
//   - A record is never removed from an SQL database or from MongoDB: ShedLock
//     remembers which there are, and does not make them again.
//
// What ShedLock's own protocol does not give, no guard can: MongoDB's and some of
// Redis's Java classes unlock by name alone, so that one which comes too late
// frees a lock that is yours by then. The next Extend or Unlock tells you;
// docs/job-shedlock.md says which settings in Java prevent it.
//
// # Errors
//
// A Lock that fails may have taken the lock all the same, as when the connection
// breaks before the answer. The guard remembers, and gives such a lock up when it is
// in the way of its next Lock; without one it ends when atMost has passed, as that of
// a killed process does. An Unlock that fails can be called again, and says ErrLost
// then if the first did its work after all.
//
// [sql]: https://pkg.go.dev/github.com/seguehq/segue/job/shedlock/sql
// [redis]: https://pkg.go.dev/github.com/seguehq/segue/job/shedlock/redis
// [mongodb]: https://pkg.go.dev/github.com/seguehq/segue/job/shedlock/mongodb
package shedlock

import "github.com/seguehq/segue/job/shedlock/internal/record"

// ErrLost: the lock had ended when it was to be unlocked, by its time or by another
// process. What it stood for may have been done by two at once.
var ErrLost = record.ErrLost

// Host is under which name a lock is written down, unless the guard was given
// another: the host's name, as ShedLock has it, or "unknown".
func Host() string { return record.Host() }
