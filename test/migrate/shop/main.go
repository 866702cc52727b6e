// The service of test/migrate: a shop that keeps orders and customers in a
// database. RELEASE says which release it is, and so how it sees its tables;
// everything else is the same in all of them.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/seguehq/segue/lifecycle"
	"github.com/seguehq/segue/test/migrate/shape"
)

func main() {
	log.SetPrefix(fmt.Sprintf("%d: ", os.Getpid()))
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

// A shop is one release of it, on its database.
type shop struct {
	db *sql.DB
	shape.Release
}

func run() error {
	number, err := strconv.Atoi(os.Getenv("RELEASE"))
	if err != nil {
		return fmt.Errorf("RELEASE: %w", err)
	}
	db, isMySQL, err := open(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	s := &shop{db, shape.Release{Number: number, MySQL: isMySQL, Phased: os.Getenv("PHASED") != ""}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", s.ready)
	mux.HandleFunc("GET /look", s.look)
	mux.HandleFunc("GET /dump/{what}", s.dump)
	mux.HandleFunc("POST /write", s.write)
	app := lifecycle.App{Components: []lifecycle.Component{
		lifecycle.Func("database", db.PingContext, func(context.Context) error { return db.Close() }),
		lifecycle.HTTP(&http.Server{Handler: mux}, lifecycle.WithDelay(0), lifecycle.WithIdleGap(time.Second)).DependsOn("database"),
	}}
	return app.Run(context.Background())
}

// fail answers what went wrong; the drill and the crowd take it for a lost request.
func fail(w http.ResponseWriter, err error) {
	log.Print(err)
	http.Error(w, err.Error(), http.StatusInternalServerError)
}
