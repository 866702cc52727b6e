// Command keeper is a service for the tests of a cluster that keeps prices in the
// PostgreSQL database of DATABASE_URL. What a price is, cents or something with a
// point, is a matter of the release's migrations: it passes on what it is told.
//
//   - GET /ready: whether the table is as this release wants it
//   - GET /prices: all of them, as ID=PRICE
//   - PUT /prices/{id}/{price}: keep one more
package main

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log"
	"net/http"
	"os"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx

	"github.com/seguehq/segue/lifecycle"
)

func main() {
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxIdleConns(8)
	k := keeper{db}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", k.list)
	mux.HandleFunc("GET /prices", k.list)
	mux.HandleFunc("PUT /prices/{id}/{price}", k.keep)
	err = lifecycle.Run(context.Background(), lifecycle.HTTP(&http.Server{Addr: ":" + os.Getenv("PORT"), Handler: mux}))
	if err := cmp.Or(err, db.Close()); err != nil {
		log.Fatal(err)
	}
}

type keeper struct{ db *sql.DB }

func (k keeper) list(w http.ResponseWriter, r *http.Request) {
	rows, err := k.db.QueryContext(r.Context(), "SELECT id, price::text FROM items ORDER BY id")
	if err != nil {
		fail(w, err)
		return
	}
	defer rows.Close()
	text := ""
	for rows.Next() {
		var id, price string
		if err := rows.Scan(&id, &price); err != nil {
			fail(w, err)
			return
		}
		text += id + "=" + price + "\n"
	}
	if err := rows.Err(); err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Segue-Release", os.Getenv("RELEASE"))
	fmt.Fprint(w, text)
}

func (k keeper) keep(w http.ResponseWriter, r *http.Request) {
	_, err := k.db.ExecContext(r.Context(), "INSERT INTO items (id, price) VALUES ($1::text::bigint, $2::text::numeric)", r.PathValue("id"), r.PathValue("price"))
	if err != nil {
		fail(w, err)
	}
}

// fail answers what went wrong; a drill takes it for a lost request.
func fail(w http.ResponseWriter, err error) {
	log.Print(err)
	http.Error(w, err.Error(), http.StatusInternalServerError)
}
