package sql

import (
	"fmt"
	"strings"
	"time"
)

// A Dialect is a kind of database.
type Dialect string

// The dialects.
const (
	Postgres Dialect = "postgres"
	MySQL    Dialect = "mysql" // and MariaDB
	SQLite   Dialect = "sqlite"
)

// Schema is the statement that makes the table, which is ShedLock's own, unless it
// is there. Of the options those that name it and its columns count.
func Schema(d Dialect, options ...Option) string {
	t := settle(d, options).table
	stamp, at := "TIMESTAMP", "TIMESTAMP NOT NULL"
	if d == MySQL {
		stamp, at = "TIMESTAMP(3)", "TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)"
	}
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (%s VARCHAR(64) NOT NULL, %s %s NOT NULL, %s %s, %s VARCHAR(255) NOT NULL, PRIMARY KEY (%s))",
		t.name, t.key, t.until, stamp, t.at, at, t.by, t.key)
}

// A clock has the times of the statements as SQL, with the parameters that they
// need.
type clock struct {
	current string // now
	until   string // atMost from now
	unlock  string // now, or atLeast after the lock was taken; {at} is that column
	params  func(now, taken time.Time, atMost, atLeast time.Duration) params
	now     func() time.Time // of this process
}

// clockOf is the database's clock, if zone is nil. SQLite has none but the
// machine's.
func clockOf(d Dialect, zone *time.Location) clock {
	c := clock{current: ":now", until: ":until", unlock: ":unlock"}
	switch {
	case d == SQLite:
		c.params = processTimes(func(t time.Time) any { return t.UnixMilli() })
	case zone != nil:
		if d == Postgres {
			c.current, c.until, c.unlock = "CAST(:now AS timestamp)", "CAST(:until AS timestamp)", "CAST(:unlock AS timestamp)"
		}
		c.params = processTimes(func(t time.Time) any { return t.In(zone).Format("2006-01-02 15:04:05.000") })
	case d == Postgres:
		const now = "timezone('utc', CURRENT_TIMESTAMP)"
		c.current, c.until = now, now+" + make_interval(secs => :most)"
		c.unlock = "GREATEST({at} + make_interval(secs => :least), " + now + ")"
		c.params = durations(func(d time.Duration) any { return d.Seconds() })
	default:
		const now = "UTC_TIMESTAMP(3)"
		c.current, c.until = now, "TIMESTAMPADD(MICROSECOND, :most, "+now+")"
		c.unlock = "GREATEST(TIMESTAMPADD(MICROSECOND, :least, {at}), " + now + ")"
		c.params = durations(func(d time.Duration) any { return d.Microseconds() })
	}
	c.now = func() time.Time { return time.Now().Truncate(time.Millisecond) }
	return c
}

// processTimes gives the statements times that this process has worked out.
func processTimes(as func(time.Time) any) func(now, taken time.Time, atMost, atLeast time.Duration) params {
	return func(now, taken time.Time, atMost, atLeast time.Duration) params {
		unlock := now
		if least := taken.Add(atLeast); least.After(now) {
			unlock = least
		}
		return params{"now": as(now), "until": as(now.Add(atMost)), "unlock": as(unlock)}
	}
}

// durations gives them durations, and leaves the times to the database.
func durations(as func(time.Duration) any) func(now, taken time.Time, atMost, atLeast time.Duration) params {
	return func(_, _ time.Time, atMost, atLeast time.Duration) params {
		return params{"most": as(atMost.Truncate(time.Millisecond)), "least": as(atLeast.Truncate(time.Millisecond))}
	}
}

// missing says whether an error is about a table that is not there, in the words
// of the databases: their drivers have no common type for it.
func missing(err error) bool {
	text := err.Error()
	for _, words := range []string{"42P01", "Error 1146", "no such table"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}
