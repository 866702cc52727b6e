package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// settings are what a URL says.
type settings struct {
	config *pgxpool.Config
	schema string
	where  string // the server and its database, for errors: without the password
}

var schemas = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`)

func parse(raw string) (settings, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// Not the parser's error: it has the URL in it, and the URL the password.
		return settings{}, errors.New("store: the PostgreSQL URL cannot be read; it looks like postgres://user:password@host:5432/database, and / # ? % @ : in user or password are written %2F %23 %3F %25 %40 %3A")
	}
	set := settings{schema: "segue"}
	q := u.Query()
	if q.Has("schema") {
		set.schema = q.Get("schema")
		q.Del("schema")
		u.RawQuery = q.Encode()
	}
	if !schemas.MatchString(set.schema) {
		return set, fmt.Errorf("store: the PostgreSQL URL has schema=%s; it has 1 to 40 of a-z, 0-9 and _, and begins with no digit", set.schema)
	}
	if set.config, err = pgxpool.ParseConfig(u.String()); err != nil {
		return set, fmt.Errorf("store: the URL of PostgreSQL at %s: %s", u.Host, withoutURL(err))
	}
	set.where = where(set.config.ConnConfig)
	set.tune()
	return set, nil
}

// where names all hosts, each once: pgx has one more for each way to connect.
func where(c *pgx.ConnConfig) string {
	hosts := []string{fmt.Sprintf("%s:%d", c.Host, c.Port)}
	for _, f := range c.Fallbacks {
		hosts = append(hosts, fmt.Sprintf("%s:%d", f.Host, f.Port))
	}
	return "PostgreSQL at " + strings.Join(slices.Compact(hosts), ",") + "/" + c.Database
}

// withoutURL is what an error of pgx says after the URL that it begins with.
func withoutURL(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		return text[i+len("`: "):]
	}
	return "it cannot be read"
}

// tune sets what does not stand in the URL.
func (set *settings) tune() {
	c := set.config.ConnConfig
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "segue"
	}
	if c.ValidateConnect == nil { // of several servers the one that can be written
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	catchUp := set.catchUp()
	set.config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		return c.PgConn().Exec(ctx, catchUp).Close()
	}
}

// table names something of the store in SQL.
func (set *settings) table(name string) string {
	return pgx.Identifier{set.schema, name}.Sanitize()
}

// channel is that of NOTIFY, one for all stores of a schema.
func (set *settings) channel() string { return "segue:" + set.schema }
