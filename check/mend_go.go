package check

// mendGo is for net/http and what is built on it: gin, echo, chi and others.
func mendGo(a ailment) string {
	if a.Runtime != "go" || a.Name != "go" {
		return ""
	}
	switch a.trouble {
	case unhandled, brokenOff:
		return advise("Call Server.Shutdown at the signal, and let main wait until it returns: ListenAndServe returns at its beginning.", `
ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
defer stop()
go func() { failed <- srv.ListenAndServe() }()
<-ctx.Done()
ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
defer cancel()
err := srv.Shutdown(ctx)`, "https://pkg.go.dev/net/http#Server.Shutdown")
	case hangsUp, refuses, unannounced, goaway:
		return advise("Shutdown closes the listener and what is idle at once. Serve on for some seconds before, say in each answer that it is the last on its connection (net/http makes that a GOAWAY for HTTP/2), and let the readiness probe fail meanwhile.", `
srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
    if leaving.Load() { // an atomic.Bool
        w.Header().Set("Connection", "close")
    }
    mux.ServeHTTP(w, r)
})
<-ctx.Done()
leaving.Store(true)
time.Sleep(5 * time.Second) // longer than it takes to be out of all routes
err := srv.Shutdown(timeout)`, "https://pkg.go.dev/net/http#Server.Shutdown")
	case waits:
		return advise("Give Shutdown a context with a limit shorter than the deploy's grace, and close after it what is left.", `
ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
defer cancel()
if err := srv.Shutdown(ctx); err != nil {
    srv.Close()
}`, "https://pkg.go.dev/net/http#Server.Shutdown")
	case hurried:
		return advise("signal.NotifyContext takes signals until its stop function is called; from then on the next one ends the program. Call it when Shutdown has returned.", "defer stop() // in main, which waits for Shutdown", "https://pkg.go.dev/os/signal#NotifyContext")
	case lostAtStart:
		return advise("Make signal.NotifyContext the first line of main. With signal.Notify the channel needs a buffer: what finds nobody waiting is thrown away.", "ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)", "https://pkg.go.dev/os/signal#Notify")
	case webSockets:
		return mendGoWebSockets(a)
	case events:
		return advise("Shutdown waits for streams, and does not cancel their requests' contexts: tell them by a channel, and end each behind a whole event.", `
leaving := make(chan struct{})
srv.RegisterOnShutdown(sync.OnceFunc(func() { close(leaving) }))
select { // in the handler
case <-leaving:
    return
case e := <-next:`, "https://pkg.go.dev/net/http#Server.RegisterOnShutdown")
	default:
		return ""
	}
}

func mendGoWebSockets(a ailment) string {
	say := `conn.WriteControl(websocket.CloseMessage,
    websocket.FormatCloseMessage(websocket.CloseGoingAway, ""), time.Now().Add(time.Second)) // gorilla/websocket`
	if a.uses("coder/websocket") {
		say = `conn.Close(websocket.StatusGoingAway, "") // coder/websocket; waits for the client's own, 5 s at most`
	}
	return advise("Shutdown neither closes nor waits for connections that were taken over: keep a set of them, say goodbye to each at the signal, and let main wait for their handlers (a sync.WaitGroup).",
		"srv.RegisterOnShutdown(goodbyeToAll) // must not wait by itself\n"+say, "https://pkg.go.dev/net/http#Server.RegisterOnShutdown")
}

// mendFiber is for fasthttp, which Fiber is built on.
func mendFiber(a ailment) string {
	if !a.uses("fasthttp") && !a.uses("fiber") {
		return ""
	}
	url := "https://pkg.go.dev/github.com/valyala/fasthttp#Server.ShutdownWithContext"
	call, response := "err := srv.ShutdownWithContext(timeout)", "ctx.Response"
	if a.uses("fiber") {
		url = "https://pkg.go.dev/github.com/gofiber/fiber/v3#App.ShutdownWithTimeout"
		call, response = "err := app.ShutdownWithTimeout(25 * time.Second)", "c.Response()"
	}
	switch a.trouble {
	case unhandled, brokenOff, waits:
		return advise("Shut down at the signal, and let main wait until that returns: Listen returns at its beginning.", `
ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
<-ctx.Done()
`+call, url)
	case hangsUp, refuses, unannounced:
		return advise("The shutdown closes the listener and what is idle at once. Serve on for some seconds before, with Connection: close in each answer, and let the readiness probe fail meanwhile.", `
if leaving.Load() { // an atomic.Bool, in a handler before all others
    `+response+`.Header.SetConnectionClose()
}
leaving.Store(true)
time.Sleep(5 * time.Second)
`+call, url)
	default:
		return ""
	}
}

func mendGRPC(a ailment) string {
	if !a.uses("grpc") || a.Runtime != "go" {
		return ""
	}
	switch a.trouble {
	case grpcWatch, unannounced, hangsUp, goaway:
		return advise("Turn health first, wait until it has been seen, and stop gracefully then.", `
health.Shutdown() // all services NOT_SERVING, for good
time.Sleep(5 * time.Second)
time.AfterFunc(20*time.Second, srv.Stop) // GracefulStop has no limit of its own
srv.GracefulStop()`, "https://pkg.go.dev/google.golang.org/grpc/health#Server.Shutdown")
	case grpcStreams, waits:
		return advise("GracefulStop waits for streams without a limit: tell their handlers to return status.Error(codes.Unavailable, …), and cut what is left after a while. MaxConnectionAge keeps streams from becoming too old.", `
time.AfterFunc(20*time.Second, srv.Stop)
srv.GracefulStop()
grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: 5 * time.Minute, MaxConnectionAgeGrace: time.Minute})`, "https://pkg.go.dev/google.golang.org/grpc#Server.GracefulStop")
	case unhandled, brokenOff:
		return advise("Call GracefulStop at the signal, and let main wait until it returns.", `
ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
<-ctx.Done()
srv.GracefulStop()`, "https://pkg.go.dev/google.golang.org/grpc#Server.GracefulStop")
	default:
		return ""
	}
}

func mendCaddy(a ailment) string {
	if a.Name != "caddy" {
		return ""
	}
	const url = "https://caddyserver.com/docs/caddyfile/options"
	switch a.trouble {
	case hangsUp, refuses, unannounced, goaway:
		return advise("Let it serve on for a while; {http.shutting_down} tells a readiness probe meanwhile. The connections themselves are told nothing: who sends requests must have left by the end of it.", `
{
    shutdown_delay 10s
    grace_period   20s
}`, url+"#shutdown-delay")
	case brokenOff, waits:
		return advise("Give it a limit for what is under way, shorter than the deploy's grace.", `
{
    grace_period 20s
}`, url+"#grace-period")
	default:
		return ""
	}
}
