package outbox

import "strings"

// Schema is what Create executes, for migrations.
func Schema(d Dialect) string { return strings.Join(d.statements(), ";\n\n") + ";\n" }

// now is the database's clock in milliseconds since 1970: those of instances differ.
func (d Dialect) now() string {
	switch d {
	case Postgres:
		return "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"
	case MySQL:
		return "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"
	}
	return "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
}

// note takes note of a message, if it is the first time.
func (d Dialect) note() string {
	const into = "INTO segue_inbox (consumer_group, message_id, seen) "
	switch d {
	case Postgres:
		return "INSERT " + into + "VALUES (?, ?, " + d.now() + ") ON CONFLICT DO NOTHING"
	case MySQL:
		return "INSERT IGNORE " + into + "VALUES (?, ?, " + d.now() + ")"
	}
	return "INSERT OR IGNORE " + into + "VALUES (?, ?, " + d.now() + ")"
}

// statements make the tables. Numbers are given to messages when they are added, which
// is not when they are committed; nobody counts on having seen all below one.
func (d Dialect) statements() []string {
	number, text, name, body, end := "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "text", "text", "bytea", ""
	switch d {
	case MySQL:
		// varbinary: letters of other cases are other letters, and spaces at the end count.
		number, text, name, body, end = "bigint AUTO_INCREMENT PRIMARY KEY", "longtext", "varbinary(256)", "longblob", " ENGINE=InnoDB CHARACTER SET utf8mb4"
	case SQLite:
		number, body = "integer PRIMARY KEY AUTOINCREMENT", "blob"
	}
	statements := []string{
		`CREATE TABLE IF NOT EXISTS segue_outbox (
	id ` + number + `,
	message_id ` + name + ` NOT NULL,
	topic ` + name + ` NOT NULL,
	message_key ` + name + ` NOT NULL,
	header ` + text + ` NOT NULL,
	body ` + body + ` NOT NULL,
	published bigint NOT NULL, -- microseconds since 1970
	parked bigint, -- milliseconds since 1970; NULL: to be published
	reason ` + text + `
)` + end,
		`CREATE TABLE IF NOT EXISTS segue_outbox_relay (
	id int PRIMARY KEY,
	owner ` + name + ` NOT NULL,
	until bigint NOT NULL -- milliseconds since 1970
)` + end,
		`CREATE TABLE IF NOT EXISTS segue_inbox (
	consumer_group ` + name + ` NOT NULL,
	message_id ` + name + ` NOT NULL,
	seen bigint NOT NULL, -- milliseconds since 1970
	PRIMARY KEY (consumer_group, message_id)
)` + end,
	}
	if d == MySQL { // it has no CREATE INDEX IF NOT EXISTS
		statements[2] = strings.Replace(statements[2], "message_id)\n", "message_id),\n	INDEX segue_inbox_seen (seen)\n", 1)
		return statements
	}
	return append(statements, "CREATE INDEX IF NOT EXISTS segue_inbox_seen ON segue_inbox (seen)")
}
