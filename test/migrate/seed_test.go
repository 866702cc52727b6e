package migrate_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"testing"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
)

// database opens the database itself, past all releases.
func (s *site) database(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", s.url)
	if s.mysql {
		db, err = sql.Open("mysql", dsn(t, s.url))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// dsn is a URL as the driver for MariaDB wants it.
func dsn(t testing.TB, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	c := mysql.NewConfig()
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.Net, c.Addr, c.DBName = "tcp", u.Host, u.Path[1:]
	return c.FormatDSN()
}

// seed writes what the model has from the beginning, in the tables of the first
// release.
func (s *site) seed() {
	s.T.Helper()
	db := s.database(s.T)
	numbers := fmt.Sprintf("generate_series(1, %d) AS s(seq)", seeded())
	email := "'c' || seq || '.1@example.com'"
	if s.mysql {
		numbers = fmt.Sprintf("seq_1_to_%d", seeded())
		email = "concat('c', seq, '.1@example.com')"
	}
	for _, insert := range []string{
		"INSERT INTO customers (id, name, email, street, city, points) SELECT seq, 'First1 Last1', " + email + ", '1 Long Street', 'Town 1', 0 FROM ",
		"INSERT INTO orders (id, customer_id, amount, quantity, comment, edits) SELECT seq, seq, 7, '1', 'comment 1', 0 FROM ",
		"INSERT INTO notes (order_id, note) SELECT seq, 'note 1' FROM ",
	} {
		if _, err := db.ExecContext(s.T.Context(), insert+numbers); err != nil {
			s.T.Fatalf("%s: %v", insert, err)
		}
	}
}
