package check

func mendPuma(a ailment) string {
	if a.Name != "puma" {
		return ""
	}
	const dsl = "https://puma.io/puma/Puma/DSL.html"
	switch a.trouble {
	case hangsUp, refuses, unannounced:
		return advise("Puma closes its listener at the signal. Its own page for Kubernetes says to wait before it; drain_on_shutdown answers those connections, too, that wait to be accepted.", `
drain_on_shutdown   # in config/puma.rb
`+preStop, "https://github.com/puma/puma/blob/master/docs/kubernetes.md")
	case brokenOff, waits:
		if a.Model == "cluster" {
			return advise("Workers that are not done in time are killed.", "worker_shutdown_timeout 25   # in config/puma.rb; 30 by default, shorter than the deploy's grace", dsl)
		}
		return advise("Puma waits for its threads without a limit, if it has none.", "force_shutdown_after 25   # in config/puma.rb; shorter than the deploy's grace", dsl)
	case exitsBadly, unhandled:
		return advise("When it is done, Puma raises the signal again, and ends by it.", "raise_exception_on_sigterm false   # in config/puma.rb", dsl)
	default:
		return ""
	}
}

func mendUnicorn(a ailment) string {
	if a.Name != "unicorn" {
		return ""
	}
	const url = "https://yhbt.net/unicorn/SIGNALS.html"
	switch a.trouble {
	case brokenOff, unhandled:
		return advise("QUIT is unicorn's graceful end; TERM and INT kill its workers at once.", "STOPSIGNAL SIGQUIT     # Dockerfile\nKillSignal=SIGQUIT     # systemd unit", url)
	case hangsUp, refuses, unannounced:
		return inFront("unicorn", "closes its listener at the signal")
	default:
		return ""
	}
}
