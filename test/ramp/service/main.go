// Command service is a service that fails for those who have its flag "bad": the
// user is the query's.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/store/open"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s, err := open.Default(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	flags := featureflag.New(s)
	var tasks sync.WaitGroup
	tasks.Go(func() { _ = flags.Run(ctx) })
	if err := flags.Ready(ctx); err != nil {
		log.Fatal(err)
	}
	srv := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT"), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/health":
		case r.URL.Path == "/endpoint":
			fmt.Fprint(w, os.Getenv("OFREP_ENDPOINT"))
		case flags.Bool("bad", featureflag.For(r.URL.Query().Get("user")), false):
			http.Error(w, "the new way does not work", http.StatusInternalServerError)
		default:
			fmt.Fprint(w, "ok")
		}
	})}
	tasks.Go(func() {
		<-ctx.Done()
		_ = srv.Shutdown(context.Background())
	})
	if err := srv.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	stop()
	tasks.Wait()
}
