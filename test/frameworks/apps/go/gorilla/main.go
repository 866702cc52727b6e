// Command gorilla serves WebSockets by gorilla/websocket as its example "echo"
// does, and stops by http.Server.Shutdown, which does not know of them:
// https://github.com/gorilla/websocket/blob/main/examples/echo/server.go
package main

import (
	"context"
	"log"
	"net/http"
	"os/signal"
	"syscall"

	"github.com/gorilla/websocket"

	"github.com/seguehq/segue/test/frameworks/apps/go/paths"
)

var upgrader = websocket.Upgrader{} // its defaults

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		log.Print("upgrade:", err)
		return
	}
	defer c.Close()
	for {
		kind, message, err := c.ReadMessage()
		if err != nil {
			log.Println("read:", err)
			return
		}
		if err := c.WriteMessage(kind, message); err != nil {
			log.Println("write:", err)
			return
		}
	}
}

func main() {
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	mux := paths.Handler()
	mux.HandleFunc("GET /ws", echo)
	srv := &http.Server{Addr: paths.Addr(), Handler: mux}

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
}
