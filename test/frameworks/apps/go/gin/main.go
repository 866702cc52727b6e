// Command gin stops as gin's example of graceful shutdown does:
// https://gin-gonic.com/en/docs/examples/graceful-restart-or-stop/
package main

import (
	"context"
	"io"
	"log"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/seguehq/segue/test/frameworks/apps/go/paths"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	gin.SetMode(gin.ReleaseMode)
	srv := &http.Server{Addr: paths.Addr(), Handler: router()}
	go func() {
		if err := srv.ListenAndServe(); err != nil && err != http.ErrServerClosed {
			log.Fatalf("listen: %s\n", err)
		}
	}()

	<-ctx.Done()
	stop() // a second signal ends it at once
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		log.Fatal("Server forced to shutdown: ", err)
	}
}

func router() *gin.Engine {
	r := gin.New()
	r.Use(gin.Recovery())
	r.GET("/", func(c *gin.Context) { c.String(http.StatusOK, "hello\n") })
	r.GET("/slow", func(c *gin.Context) {
		time.Sleep(paths.Duration(c.Query("ms")))
		c.String(http.StatusOK, "slow\n")
	})
	r.GET("/stream", func(c *gin.Context) {
		end := time.Now().Add(paths.Duration(c.Query("ms")))
		c.Stream(func(w io.Writer) bool {
			if time.Now().After(end) {
				_, _ = io.WriteString(w, "end\n")
				return false
			}
			_, err := io.WriteString(w, "line\n")
			time.Sleep(50 * time.Millisecond)
			return err == nil
		})
	})
	r.POST("/upload", func(c *gin.Context) {
		n, err := io.Copy(io.Discard, c.Request.Body)
		if err != nil {
			c.String(http.StatusBadRequest, "%v\n", err)
			return
		}
		c.String(http.StatusOK, "%d\n", n)
	})
	r.GET("/events", func(c *gin.Context) {
		c.Stream(func(io.Writer) bool {
			c.SSEvent("message", "tick")
			time.Sleep(50 * time.Millisecond)
			return true
		})
	})
	return r
}
