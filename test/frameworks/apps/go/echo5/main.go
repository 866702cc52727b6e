// Command echo5 stops as the recipe of echo v5 does, by a context and
// GracefulTimeout: https://echo.labstack.com/docs/cookbook/graceful-shutdown
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/labstack/echo/v5"

	"github.com/seguehq/segue/test/frameworks/apps/go/paths"
)

func main() {
	e := echo.New()
	e.GET("/", func(c *echo.Context) error { return c.String(http.StatusOK, "hello\n") })
	e.GET("/slow", func(c *echo.Context) error {
		time.Sleep(paths.Duration(c.QueryParam("ms")))
		return c.String(http.StatusOK, "slow\n")
	})
	e.GET("/stream", echo.WrapHandler(http.HandlerFunc(paths.Stream)))
	e.POST("/upload", echo.WrapHandler(http.HandlerFunc(paths.Upload)))
	e.GET("/events", echo.WrapHandler(http.HandlerFunc(paths.Events)))

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	sc := echo.StartConfig{Address: paths.Addr(), GracefulTimeout: 10 * time.Second, HideBanner: true, HidePort: true}
	if err := sc.Start(ctx, e); err != nil {
		log.Fatal(err)
	}
}
