// Guests keeps its guests in a database, which old and new release use at the same
// time while one takes the place of the other. What it needs of the database is in
// migrations: segue does that before the release is started.
//
// To see it: `segue up`, sign the book with `curl -d 'Ada of London' localhost:8080`,
// add a migration 0003_….expand.sql, use it here, and `segue deploy`.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	_ "modernc.org/sqlite"

	"github.com/seguehq/segue/lifecycle"
)

const greeting = "hello"

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	path := strings.TrimPrefix(os.Getenv("DATABASE_URL"), "sqlite:")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		return err
	}
	book := book{db}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", book.read)
	mux.HandleFunc("POST /", book.sign)
	return lifecycle.Run(context.Background(),
		lifecycle.Func("database", db.PingContext, func(context.Context) error { return db.Close() }),
		lifecycle.HTTP(&http.Server{Handler: mux}, lifecycle.WithReadiness("/ready")),
	)
}

type book struct{ db *sql.DB }

func (b book) sign(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 200))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	name, town, _ := strings.Cut(strings.TrimSpace(string(text)), " of ")
	if _, err := b.db.ExecContext(r.Context(), "INSERT INTO guests (name, town) VALUES (?, ?)", name, town); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (b book) read(w http.ResponseWriter, r *http.Request) {
	var guests int
	var last sql.NullString
	err := b.db.QueryRowContext(r.Context(), "SELECT count(*), (SELECT name || ' of ' || town FROM guests ORDER BY id DESC LIMIT 1) FROM guests").Scan(&guests, &last)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "%s from process %d: %d guests, the last was %s\n", greeting, os.Getpid(), guests, last.String)
}
