// Command coder serves WebSockets by coder/websocket. Shutdown does not know of
// them, so each is ended by RegisterOnShutdown, as both say:
// https://pkg.go.dev/net/http#Server.Shutdown, https://pkg.go.dev/github.com/coder/websocket#Accept
package main

import (
	"context"
	"log"
	"net/http"
	"os/signal"
	"sync"
	"syscall"

	"github.com/coder/websocket"

	"github.com/seguehq/segue/test/frameworks/apps/go/paths"
)

func main() {
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	lasting, leave := context.WithCancel(context.Background())
	var open sync.WaitGroup

	mux := paths.Handler()
	mux.HandleFunc("GET /ws", func(w http.ResponseWriter, r *http.Request) {
		open.Add(1)
		defer open.Done()
		if err := echo(lasting, w, r); err != nil {
			log.Print(err)
		}
	})
	srv := &http.Server{Addr: paths.Addr(), Handler: mux}
	srv.RegisterOnShutdown(leave)

	done := make(chan error, 1)
	go func() {
		<-stop.Done()
		done <- srv.Shutdown(context.Background())
	}()
	if err := srv.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	if err := <-done; err != nil {
		log.Fatal(err)
	}
	open.Wait()
}

// echo answers each message with itself until the client leaves, or, when
// lasting ends, says that the server is going away.
func echo(lasting context.Context, w http.ResponseWriter, r *http.Request) error {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	defer context.AfterFunc(lasting, func() { _ = c.Close(websocket.StatusGoingAway, "server is stopping") })()
	for {
		kind, message, err := c.Read(context.Background())
		if websocket.CloseStatus(err) != -1 || lasting.Err() != nil {
			return nil
		}
		if err == nil {
			err = c.Write(context.Background(), kind, message)
		}
		if err != nil {
			return err
		}
	}
}
