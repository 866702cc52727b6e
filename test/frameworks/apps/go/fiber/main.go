// Command fiber stops as fiber's recipe does: app.Listen in a goroutine,
// app.Shutdown in main: https://docs.gofiber.io/recipes/graceful-shutdown
// With the argument "context" it stops by ListenConfig.GracefulContext, as
// https://docs.gofiber.io/api/fiber#config has it.
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

	"github.com/gofiber/fiber/v3"

	"github.com/seguehq/segue/test/frameworks/apps/go/paths"
)

func main() {
	app := fiber.New(fiber.Config{IdleTimeout: 5 * time.Second, StreamRequestBody: true})
	app.Get("/", func(c fiber.Ctx) error { return c.SendString("hello\n") })
	app.Get("/slow", func(c fiber.Ctx) error {
		time.Sleep(paths.Duration(c.Query("ms")))
		return c.SendString("slow\n")
	})
	app.Get("/stream", stream)
	app.Post("/upload", func(c fiber.Ctx) error { return c.SendString(fmt.Sprintln(len(c.Body()))) })
	app.Get("/events", events)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	config := fiber.ListenConfig{DisableStartupMessage: true}
	if len(os.Args) > 1 {
		config.GracefulContext = ctx
		if err := app.Listen(paths.Addr(), config); err != nil {
			log.Fatal(err)
		}
		return
	}
	go func() {
		if err := app.Listen(paths.Addr(), config); err != nil {
			log.Panic(err)
		}
	}()
	<-ctx.Done()
	if err := app.Shutdown(); err != nil {
		log.Fatal(err)
	}
}

func stream(c fiber.Ctx) error {
	end := time.Now().Add(paths.Duration(c.Query("ms")))
	return c.SendStreamWriter(func(w *bufio.Writer) {
		for ; time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			fmt.Fprintln(w, "line")
			if w.Flush() != nil {
				return
			}
		}
		fmt.Fprintln(w, "end")
	})
}

// events goes on until the client has gone: fiber tells it of no shutdown.
func events(c fiber.Ctx) error {
	c.Set("Content-Type", "text/event-stream")
	return c.SendStreamWriter(func(w *bufio.Writer) {
		for n := 1; ; n++ {
			fmt.Fprintf(w, "id: %d\ndata: tick\n\n", n)
			if w.Flush() != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
}
