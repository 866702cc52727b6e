package sql

import (
	"fmt"
	"regexp"
	"time"

	"github.com/seguehq/segue/job/shedlock/internal/record"
)

// An Option changes what New makes.
type Option func(*settings)

type settings struct {
	table    table
	lockedBy string
	zone     *time.Location // of the process's clock; nil: the database's clock
}

// Table names the table: withTableName in Java. It may have a schema in front;
// "shedlock" without the option. It is not quoted.
func Table(name string) Option {
	identifier(name, `^[\pL_][\pL\pN_$]*(\.[\pL_][\pL\pN_$]*)*$`)
	return func(s *settings) { s.table.name = name }
}

// Columns names the columns: withColumnNames in Java. Without the option they are
// name, lock_until, locked_at and locked_by. They are not quoted.
func Columns(name, lockUntil, lockedAt, lockedBy string) Option {
	for _, column := range []string{name, lockUntil, lockedAt, lockedBy} {
		identifier(column, `^[\pL_][\pL\pN_$]*$`)
	}
	return func(s *settings) {
		s.table.key, s.table.until, s.table.at, s.table.by = name, lockUntil, lockedAt, lockedBy
	}
}

// LockedBy sets who is said to hold the locks: the host's name without it. What is
// written is this name, a colon and a UUID, another with each grant: ShedLock's own
// extend and unlock compare it, and so find none of our locks to be theirs.
func LockedBy(name string) Option {
	record.LockedBy(name)
	return func(s *settings) { s.lockedBy = name }
}

// ClientTime has the clock of this process decide, and the times written as they
// are in the zone: for a Java side without usingDbTime. Its zone is time.UTC with
// forceUtcTimeZone in Java, otherwise that of the JVM. The clocks of all machines
// have to agree. In SQLite times are numbers, and the zone does not matter.
func ClientTime(zone *time.Location) Option {
	if zone == nil {
		panic("shedlock: ClientTime needs a zone: time.UTC if Java has forceUtcTimeZone, else that of the JVM")
	}
	return func(s *settings) { s.zone = zone }
}

func settle(d Dialect, options []Option) settings {
	if d != Postgres && d != MySQL && d != SQLite {
		panic(fmt.Sprintf("shedlock: %q is no dialect: it is one of sql.Postgres, sql.MySQL (also for MariaDB), sql.SQLite", d))
	}
	s := settings{table: table{"shedlock", "name", "lock_until", "locked_at", "locked_by"}, lockedBy: record.Host()}
	for _, o := range options {
		o(&s)
	}
	return s
}

func identifier(name, pattern string) {
	if !regexp.MustCompile(pattern).MatchString(name) {
		panic(fmt.Sprintf("shedlock: %q is no name of a table or column: it is written without quotes", name))
	}
}
