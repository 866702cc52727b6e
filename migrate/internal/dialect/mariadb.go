package dialect

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

type mariadb struct{}

func openMariaDB(raw string) (*DB, error) {
	c, err := mariadbConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("the database's URL cannot be read: %w: it is to be mysql://user:password@host:port/database, with what is special in the password written as %%40", err)
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, newSecrets(c.Passwd).scrub(fmt.Errorf("the database's URL: %w", err))
	}
	return &DB{DB: sql.OpenDB(connector), Kind: MariaDB, server: mariadb{}, secrets: newSecrets(c.Passwd)}, nil
}

// mariadbConfig reads a URL. What follows the ? are the driver's parameters, and
// socket, the path of a Unix socket.
func mariadbConfig(raw string) (*mysql.Config, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("it is not a URL") // the error repeats it, with the password
	}
	query := u.Query()
	socket := query.Get("socket")
	query.Del("socket")
	c, err := mysql.ParseDSN("/?" + query.Encode())
	if err != nil {
		return nil, err
	}
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.DBName = strings.TrimPrefix(u.Path, "/")
	if c.DBName == "" {
		return nil, errors.New("it names no database")
	}
	c.Net, c.Addr = "tcp", net.JoinHostPort(orElse(u.Hostname(), "127.0.0.1"), orElse(u.Port(), "3306"))
	if socket != "" {
		c.Net, c.Addr = "unix", socket
	}
	if c.Params == nil {
		c.Params = map[string]string{}
	}
	if c.Params["wait_timeout"] == "" { // the connection that has the lock is idle during a backfill
		c.Params["wait_timeout"] = "86400"
	}
	c.ClientFoundRows = true // an UPDATE that changes nothing has found its row
	c.Logger = &mysql.NopLogger{}
	return c, nil
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (mariadb) version(ctx context.Context, s Session) (int, error) {
	var text string
	if err := s.QueryRowContext(ctx, "SELECT VERSION()").Scan(&text); err != nil {
		return 0, err
	}
	return number(strings.TrimPrefix(text, "5.5.5-"), 100)
}

// number makes 10.11.6-MariaDB 101106: each part has so much room.
func number(text string, room int) (int, error) {
	text, _, _ = strings.Cut(text, "-")
	parts := strings.SplitN(text, ".", 3)
	n := 0
	for i := range 3 {
		n *= room
		if i < len(parts) {
			part, err := strconv.Atoi(parts[i])
			if err != nil {
				return 0, fmt.Errorf("the server's version %q is not understood", text)
			}
			n += part
		}
	}
	return n, nil
}

func (mariadb) lockTimeout(ctx context.Context, s Session, d time.Duration) error {
	seconds := max(1, int64((d+time.Second-1)/time.Second))
	_, err := s.ExecContext(ctx, fmt.Sprintf("SET SESSION lock_wait_timeout = %d, SESSION innodb_lock_wait_timeout = %d "+
		"/*M!100101 , SESSION max_statement_time = 0 */", seconds, seconds))
	return err
}

func (mariadb) session(ctx context.Context, s Session) (id int64, err error) {
	return id, s.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&id)
}

// blockers names who holds a row; for the definition of a table, the oldest
// transactions: who holds its lock is known only where the plugin
// METADATA_LOCK_INFO is loaded.
func (mariadb) blockers(ctx context.Context, s Session, id int64) (string, error) {
	rows, err := s.QueryContext(ctx, `SELECT p.ID, p.USER, p.COMMAND, TIMESTAMPDIFF(MICROSECOND, t.trx_started, NOW(6)) / 1000000, me.STATE LIKE 'Waiting for%'
		FROM information_schema.PROCESSLIST me
		JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id <> me.ID
		JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id
		WHERE me.ID = ? AND (me.STATE LIKE 'Waiting for%' OR t.trx_id IN (
			SELECT w.blocking_trx_id FROM information_schema.INNODB_LOCK_WAITS w
			JOIN information_schema.INNODB_TRX mine ON mine.trx_id = w.requesting_trx_id WHERE mine.trx_mysql_thread_id = ?))
		ORDER BY t.trx_started LIMIT 3`, id, id)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var who []string
	for rows.Next() {
		var pid int64
		var user, command string
		var seconds float64
		var guess bool
		if err := rows.Scan(&pid, &user, &command, &seconds, &guess); err != nil {
			return "", err
		}
		perhaps := ""
		if guess {
			perhaps = "perhaps "
		}
		who = append(who, fmt.Sprintf("%sconnection %d (%s), %s, its transaction is %v old", perhaps, pid, user, strings.ToLower(command), age(seconds)))
	}
	return strings.Join(who, "; "), rows.Err()
}

func (mariadb) class(err error) Class {
	if errors.Is(err, mysql.ErrInvalidConn) {
		return Lost
	}
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return Other
	}
	switch e.Number {
	case 1205:
		return LockTimeout
	case 1213, 1020, 1412:
		return Serialization
	case 1007, 1050, 1060, 1061, 1068, 1304, 1359, 1826, 1022:
		return Exists
	case 1008, 1051, 1054, 1091, 1146, 1176, 1305, 1360:
		return Gone
	case 1053, 1077, 1152, 1153, 1158, 1159, 1160, 1161, 1184, 1927:
		return Lost
	case 1021, 1037, 1038, 1040, 1041, 1114, 1135, 1203, 1226, 28:
		return Full
	case 1317, 1969, 3024:
		return Cancelled
	}
	return Other
}

// Copies says that MariaDB has refused a definition that it would have to copy the
// table for, or keep its writers out.
func Copies(err error) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && (e.Number == 1845 || e.Number == 1846)
}
