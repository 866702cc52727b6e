// Command echo stops as the recipe of echo v4 does:
// https://echo.labstack.com/docs/cookbook/graceful-shutdown
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/seguehq/segue/test/frameworks/apps/go/paths"
)

func main() {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.GET("/", func(c echo.Context) error { return c.String(http.StatusOK, "hello\n") })
	e.GET("/slow", func(c echo.Context) error {
		time.Sleep(paths.Duration(c.QueryParam("ms")))
		return c.String(http.StatusOK, "slow\n")
	})
	e.GET("/stream", stream)
	e.POST("/upload", echo.WrapHandler(http.HandlerFunc(paths.Upload)))
	e.GET("/events", echo.WrapHandler(http.HandlerFunc(paths.Events)))

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		if err := e.Start(paths.Addr()); err != nil && err != http.ErrServerClosed {
			e.Logger.Fatal("shutting down the server: ", err)
		}
	}()

	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := e.Shutdown(ctx); err != nil {
		e.Logger.Fatal(err)
	}
}

// stream follows https://echo.labstack.com/docs/cookbook/streaming-response
func stream(c echo.Context) error {
	c.Response().Header().Set(echo.HeaderContentType, echo.MIMETextPlain)
	c.Response().WriteHeader(http.StatusOK)
	for end := time.Now().Add(paths.Duration(c.QueryParam("ms"))); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if _, err := fmt.Fprintln(c.Response(), "line"); err != nil {
			return err
		}
		c.Response().Flush()
	}
	_, err := fmt.Fprintln(c.Response(), "end")
	return err
}
