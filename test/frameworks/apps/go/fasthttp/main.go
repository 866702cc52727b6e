// Command fasthttp stops by Server.ShutdownWithContext; with the argument
// "close" also with CloseOnShutdown: https://pkg.go.dev/github.com/valyala/fasthttp#Server
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seguehq/segue/test/frameworks/apps/go/paths"
)

func main() {
	s := &fasthttp.Server{Handler: serve, ReadTimeout: 5 * time.Second, IdleTimeout: 5 * time.Second, StreamRequestBody: true, CloseOnShutdown: len(os.Args) > 1}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		if err := s.ListenAndServe(paths.Addr()); err != nil {
			log.Fatal(err)
		}
	}()
	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.ShutdownWithContext(ctx); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx *fasthttp.RequestCtx) {
	last := paths.Duration(string(ctx.QueryArgs().Peek("ms")))
	switch string(ctx.Path()) {
	case "/":
		ctx.WriteString("hello\n")
	case "/slow":
		time.Sleep(last)
		ctx.WriteString("slow\n")
	case "/stream":
		ctx.SetBodyStreamWriter(func(w *bufio.Writer) { lines(w, time.Now().Add(last)) })
	case "/upload":
		fmt.Fprintln(ctx, len(ctx.Request.Body()))
	case "/events":
		ctx.SetContentType("text/event-stream")
		ctx.SetBodyStreamWriter(func(w *bufio.Writer) { events(w, ctx.Done()) })
	default:
		ctx.NotFound()
	}
}

func lines(w *bufio.Writer, end time.Time) {
	for ; time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		fmt.Fprintln(w, "line")
		if w.Flush() != nil {
			return
		}
	}
	fmt.Fprintln(w, "end")
}

// events end with the server: Done is closed by its shutdown.
func events(w *bufio.Writer, done <-chan struct{}) {
	for n := 1; ; n++ {
		fmt.Fprintf(w, "id: %d\ndata: tick\n\n", n)
		if w.Flush() != nil {
			return
		}
		select {
		case <-done:
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}
