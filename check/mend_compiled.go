package check

func mendRust(a ailment) string {
	if a.Runtime != "rust" {
		return ""
	}
	switch {
	case a.uses("actix-web") && (a.trouble == brokenOff || a.trouble == waits):
		return advise("actix-web takes SIGTERM for a graceful end, and gives requests 30 s, if it is not told otherwise.", "HttpServer::new(app).shutdown_timeout(20)", "https://actix.rs/docs/server/#graceful-shutdown")
	case a.trouble == unhandled, a.trouble == brokenOff, a.trouble == deaf:
		return advise("Give the server a future that is ready at the signal, and wait for it.", `
let mut term = tokio::signal::unix::signal(SignalKind::terminate())?;
axum::serve(listener, app)
    .with_graceful_shutdown(async move { term.recv().await; })
    .await?;`, "https://docs.rs/axum/latest/axum/serve/struct.Serve.html#method.with_graceful_shutdown")
	case a.trouble == hangsUp, a.trouble == unannounced, a.trouble == refuses:
		return advise("The graceful shutdown closes the listener and what is idle at once. Serve on for some seconds before, with Connection: close in each answer.", `
.with_graceful_shutdown(async move {
    term.recv().await;
    LEAVING.store(true, Ordering::Relaxed);   // a layer sets Connection: close on each answer
    tokio::time::sleep(Duration::from_secs(5)).await;
})`, "https://docs.rs/axum/latest/axum/serve/struct.Serve.html#method.with_graceful_shutdown")
	case a.trouble == waits:
		return advise("The graceful shutdown waits without a limit: give it one, shorter than the deploy's grace.", "tokio::time::timeout(Duration::from_secs(25), server).await", "https://docs.rs/tokio/latest/tokio/time/fn.timeout.html")
	default:
		return ""
	}
}

func mendDotnet(a ailment) string {
	if a.Runtime != "dotnet" {
		return ""
	}
	switch a.trouble {
	case brokenOff, waits:
		return advise("Kestrel gives requests 30 s after the signal, if it is not told otherwise, and aborts them then.", "builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(20));", "https://learn.microsoft.com/aspnet/core/fundamentals/servers/kestrel#shutdown")
	case hangsUp, unannounced, refuses:
		return advise("Kestrel closes its listener at the signal. Wait before that, in ApplicationStopping.", `
app.Lifetime.ApplicationStopping.Register(() => Thread.Sleep(TimeSpan.FromSeconds(5)));`, "https://learn.microsoft.com/aspnet/core/fundamentals/host/generic-host#ihostapplicationlifetime")
	default:
		return ""
	}
}
