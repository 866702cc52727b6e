package shedlock_test

import (
	"context"
	stdsql "database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/rueidis"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	_ "modernc.org/sqlite"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/job/shedlock/mongodb"
	"github.com/seguehq/segue/job/shedlock/redis"
	"github.com/seguehq/segue/job/shedlock/sql"
)

// A database is where both sides meet.
type database struct {
	guard job.Guard // of the Go side
	java  *peer
	// record is the record of a name in words: its columns, their types and their
	// values.
	record func(name string) []column
	// frees says that ShedLock unlocks by the name alone.
	frees bool
	// makes says that ShedLock takes no lock whose record another process has made:
	// with SQLite's driver it knows no duplicate key when it sees one.
	makes bool
}

// A column is a part of a record. Java and Go write the same kinds of value.
type column struct{ name, kind, value string }

// zone is where the JVM believes to be, if it decides by its own clock.
const zone = "Asia/Kolkata"

var databases = map[string]func(t *testing.T) database{
	"postgres":                         func(t *testing.T) database { return postgres(t, "db") },
	"postgres, a JVM's clock in UTC":   func(t *testing.T) database { return postgres(t, "utc", sql.ClientTime(time.UTC)) },
	"postgres, a JVM's clock in India": func(t *testing.T) database { return postgres(t, "jvm", sql.ClientTime(india(t))) },
	"mariadb":                          func(t *testing.T) database { return mariadb(t, "db") },
	"mariadb, a JVM's clock in India":  func(t *testing.T) database { return mariadb(t, "jvm", sql.ClientTime(india(t))) },
	"sqlite":                           sqlite,
	"redis":                            redisServer,
	"mongodb":                          mongoServer,
}

func india(t *testing.T) *time.Location {
	t.Helper()
	l, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func parse(t *testing.T, at string) *url.URL {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// jdbc is the URL of a database as Java writes it.
func jdbc(kind string, u *url.URL) string {
	secret, _ := u.User.Password()
	return fmt.Sprintf("jdbc:%s://%s%s?user=%s&password=%s", kind, u.Host, u.Path, u.User.Username(), secret)
}

func postgres(t *testing.T, clock string, settings ...sql.Option) database {
	t.Helper()
	at := servertest.PostgresURL(t)
	db := openSQL(t, "pgx", at, sql.Postgres)
	return database{
		guard:  sql.New(db, sql.Postgres, settings...),
		java:   startJava(t, zone, "postgres", jdbc("postgresql", parse(t, at)), clock),
		record: row(t, db, "to_char({}, 'YYYY-MM-DD HH24:MI:SS.US')", "pg_typeof({})::text", "$1"),
	}
}

func mariadb(t *testing.T, clock string, settings ...sql.Option) database {
	t.Helper()
	u := parse(t, servertest.MariaDBURL(t))
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User, c.DBName = "tcp", u.Host, u.User.Username(), u.Path[1:]
	c.Passwd, _ = u.User.Password()
	db := openSQL(t, "mysql", c.FormatDSN(), sql.MySQL)
	return database{
		guard:  sql.New(db, sql.MySQL, settings...),
		java:   startJava(t, zone, "mariadb", jdbc("mariadb", u), clock),
		record: row(t, db, "DATE_FORMAT({}, '%Y-%m-%d %H:%i:%s.%f')", "''", "?"),
	}
}

func sqlite(t *testing.T) database {
	t.Helper()
	path := filepath.Join(t.TempDir(), "locks.db")
	db := openSQL(t, "sqlite", "file:"+path+"?_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)", sql.SQLite)
	return database{
		guard:  sql.New(db, sql.SQLite),
		java:   startJava(t, zone, "sqlite", "jdbc:sqlite:"+path+"?busy_timeout=20000", "jvm"),
		makes:  true,
		record: row(t, db, "CAST({} AS TEXT)", "typeof({})", "?"),
	}
}

func openSQL(t *testing.T, driver, at string, d sql.Dialect) *stdsql.DB {
	t.Helper()
	db, err := stdsql.Open(driver, at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Exec(sql.Schema(d)); err != nil {
		t.Fatal(err)
	}
	return db
}

// row reads a record with the database's own words for a time and a value's type,
// each with {} for a column, and for a parameter.
func row(t *testing.T, db *stdsql.DB, text, kind, mark string) func(name string) []column {
	words := func(of, name string) string { return strings.ReplaceAll(of, "{}", name) }
	return func(name string) []column {
		t.Helper()
		all := []column{{name: "lock_until"}, {name: "locked_at"}, {name: "locked_by"}}
		for i := range all {
			c := &all[i]
			value := words(text, c.name)
			if c.name == "locked_by" {
				value = c.name
			}
			q := "SELECT " + value + ", " + words(kind, c.name) + " FROM shedlock WHERE name = " + mark
			if err := db.QueryRow(q, name).Scan(&c.value, &c.kind); err != nil {
				t.Fatal(err)
			}
		}
		return all
	}
}

func redisServer(t *testing.T) database {
	t.Helper()
	at := servertest.RedisURL(t)
	o, err := rueidis.ParseURL(at)
	if err != nil {
		t.Fatal(err)
	}
	c, err := rueidis.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return database{
		guard: redis.New(c),
		java:  startJava(t, zone, "redis", at, "jvm"),
		record: func(name string) []column {
			key := "job-lock:default:" + name
			value, err := c.Do(t.Context(), c.B().Get().Key(key).Build()).ToString()
			if err != nil {
				t.Fatal(err)
			}
			end, err := c.Do(t.Context(), c.B().Pexpiretime().Key(key).Build()).AsInt64()
			if err != nil {
				t.Fatal(err)
			}
			return []column{{"value", "string", value}, {"expires", "milliseconds", fmt.Sprint(end)}}
		},
	}
}

func mongoServer(t *testing.T) database {
	t.Helper()
	at := servertest.MongoURL(t)
	c, err := mongo.Connect(options.Client().ApplyURI(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Disconnect(context.Background()) })
	db := c.Database(parse(t, at).Path[1:])
	return database{
		guard: mongodb.New(db),
		java:  startJava(t, zone, "mongodb", at, "jvm"),
		frees: true,
		record: func(name string) []column {
			raw, err := db.Collection("shedLock").FindOne(t.Context(), bson.D{{Key: "_id", Value: name}}).Raw()
			if err != nil {
				t.Fatal(err)
			}
			elements, err := raw.Elements()
			if err != nil {
				t.Fatal(err)
			}
			var all []column
			for _, e := range elements {
				value := e.Value().String()
				if s, ok := e.Value().StringValueOK(); ok {
					value = s
				}
				all = append(all, column{e.Key(), e.Value().Type.String(), value})
			}
			return all
		},
	}
}
