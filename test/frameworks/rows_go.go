package main

// goRows are Go's servers, each a program of the module in apps/go.
func goRows() []Row {
	rows := []Row{
		{Name: "Go net/http with Shutdown", Command: []string{"build/nethttp"},
			Remark: "Shutdown closes an idle connection without a word, and drops a request whose headers come whole only after it began. A connection that was opened and never used holds it for 5 s."},
		{Name: "Go net/http without a handler", Command: []string{"build/unhandled"},
			Remark: "A program that handles no signal is ended by it."},
		{Name: "Go net/http, readiness first", Command: []string{"build/readiness"}, Ready: "/ready",
			Remark: "The order that a cluster needs: not ready, 2 s of answers with Connection: close, then Shutdown, within a limit."},
		{Name: "Go net/http with h2c", Command: []string{"build/h2c"}},
		{Name: "Go coder/websocket", Command: []string{"build/coder"}, WebSocket: "/ws",
			Remark: "http.Server.Shutdown does not know of WebSockets; this program ends them by RegisterOnShutdown and waits for them."},
		{Name: "Go gorilla/websocket", Command: []string{"build/gorilla"}, WebSocket: "/ws",
			Remark: "The library's example, with Shutdown: the process ends without a word to its WebSockets."},
		{Name: "Gin with Server.Shutdown", Command: []string{"build/gin"}, Published: "immediate hang-up",
			Version: module("github.com/gin-gonic/gin"),
			Remark:  "net/http's Shutdown. The documentation's limit of 5 s is shorter than what Shutdown gives a connection that was opened and never used: with one of those the exit code is 1."},
		{Name: "echo v4", Command: []string{"build/echo"}, Version: module("github.com/labstack/echo/v4"), Remark: "net/http's Shutdown."},
		{Name: "echo v5", Command: []string{"build/echo5"}, Version: module("github.com/labstack/echo/v5"),
			Remark: "net/http's Shutdown, called by echo's StartConfig when its context ends."},
		{Name: "chi", Command: []string{"build/chi"}, Version: module("github.com/go-chi/chi/v5"), Remark: "A router only: net/http's Shutdown."},
		{Name: "fasthttp", Command: []string{"build/fasthttp"}, Version: module("github.com/valyala/fasthttp"),
			Remark: "Without CloseOnShutdown its last answers do not say that they are; it closes behind them."},
		{Name: "fasthttp with CloseOnShutdown", Command: []string{"build/fasthttp", "close"}, Version: module("github.com/valyala/fasthttp")},
		{Name: "Fiber v3", Command: []string{"build/fiber"}, Version: module("github.com/gofiber/fiber/v3"),
			Remark: "Built on fasthttp, which waits for ever for a connection that was opened and never used, unless ReadTimeout is set; the recipe sets only IdleTimeout."},
		{Name: "Fiber v3 with GracefulContext", Command: []string{"build/fiber", "context"}, Version: module("github.com/gofiber/fiber/v3"),
			Remark: "Listen returns when the shutdown begins, not when it is over: a main that ends with it cuts every request in flight."},
		{Name: "grpc-go with GracefulStop", Command: []string{"build/grpc"}, Version: module("google.golang.org/grpc"),
			Remark: "GracefulStop waits for streams, and tells them nothing: a Watch of the health service alone lasts until Stop. The example calls that after 10 s, which is as long as Docker waits before it kills."},
	}
	for i := range rows {
		r := &rows[i]
		program := r.Command[0]
		r.Dir, r.Tools, r.Install = "go", []string{"go"}, []string{"go", "build", "-o", program, "./" + program[len("build/"):]}
		if r.Version == nil {
			r.Version = []string{"go", "env", "GOVERSION"}
		}
		if program != "build/grpc" {
			r.Slow, r.Stream, r.Upload, r.Events = "/slow", "/stream", "/upload", "/events"
		}
	}
	return rows
}

// module is a command that prints the version of a module, and Go's.
func module(path string) []string {
	return []string{"sh", "-c", "go list -m " + path + " && go env GOVERSION"}
}
