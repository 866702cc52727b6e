package check

import "syscall"

// Servers for files and proxies. Most have a signal for a quick end and another
// for a graceful one, and SIGTERM is the quick one.

// stopBy is the mend for a server whose graceful end has another signal.
func stopBy(server, signal, url string) string {
	return advise(server+"'s graceful end is "+signal+"; SIGTERM is the quick one.",
		"STOPSIGNAL "+signal+"     # Dockerfile\nKillSignal="+signal+"     # systemd unit", url)
}

// cutShort reports whether what the server had is lost, by a signal that is not
// its graceful one.
func (a ailment) cutShort(graceful syscall.Signal) bool {
	return a.signal != graceful && (a.trouble == brokenOff || a.trouble == unhandled || a.trouble == hangsUp || a.trouble == goaway)
}

func mendNginx(a ailment) string {
	if a.Name != "nginx" {
		return ""
	}
	switch {
	case a.cutShort(syscall.SIGQUIT):
		return stopBy("nginx", "SIGQUIT", "https://nginx.org/en/docs/control.html")
	case a.trouble == hangsUp, a.trouble == unannounced, a.trouble == refuses, a.trouble == goaway:
		return inFront("nginx", "closes its listener and what is idle at the signal")
	case a.trouble == waits:
		return advise("Give old workers a limit, shorter than the deploy's grace; without one they wait for their clients.", "worker_shutdown_timeout 25s;   # since 1.11.11", "https://nginx.org/en/docs/ngx_core_module.html#worker_shutdown_timeout")
	default:
		return ""
	}
}

func mendHTTPD(a ailment) string {
	if a.Name != "httpd" {
		return ""
	}
	switch {
	case a.cutShort(syscall.SIGWINCH):
		return stopBy("Apache httpd", "SIGWINCH", "https://httpd.apache.org/docs/2.4/stopping.html#gracefulstop")
	case a.trouble == hangsUp, a.trouble == unannounced, a.trouble == refuses, a.trouble == goaway:
		return inFront("Apache httpd", "closes its listener and what is idle at the signal")
	case a.trouble == waits:
		return advise("Give the graceful stop a limit, shorter than the deploy's grace.", "GracefulShutdownTimeout 25", "https://httpd.apache.org/docs/2.4/mod/mpm_common.html#gracefulshutdowntimeout")
	default:
		return ""
	}
}

func mendHAProxy(a ailment) string {
	if a.Name != "haproxy" {
		return ""
	}
	const url = "https://docs.haproxy.org/2.6/configuration.html#3.1-grace"
	switch {
	case a.cutShort(syscall.SIGUSR1):
		return stopBy("HAProxy", "SIGUSR1", "https://docs.haproxy.org/2.6/management.html#4")
	case a.trouble == hangsUp, a.trouble == unannounced, a.trouble == refuses, a.trouble == goaway:
		return advise("Let it serve on for a while; a monitor that fails if { stopping } is its readiness meanwhile. Clients that are idle after that are waited for until their timeout.", `
global
    grace 5s
    hard-stop-after 15s            # with the other, shorter than the deploy's grace
defaults
    timeout http-keep-alive 5s`, url)
	case a.trouble == waits:
		return advise("Give the soft stop a limit, shorter than the deploy's grace; it applies to clients that are idle as well.", `
global
    hard-stop-after 25s`, "https://docs.haproxy.org/2.6/configuration.html#3.1-hard-stop-after")
	default:
		return ""
	}
}

func mendLighttpd(a ailment) string {
	if a.Name == "lighttpd" && a.cutShort(syscall.SIGINT) {
		return stopBy("lighttpd", "SIGINT", "https://blog.lighttpd.net/articles/2005/09/02/graceful-restart/")
	}
	return ""
}

func mendPHP(a ailment) string {
	if a.Runtime != "php" && !a.uses("php") {
		return ""
	}
	switch {
	case a.Name == "php" && (a.trouble == unhandled || a.trouble == brokenOff || a.trouble == deaf):
		return advise("php -S is meant for development, and has no graceful end. php-fpm has one.", "", "https://www.php.net/manual/en/features.commandline.webserver.php")
	case a.trouble == unhandled, a.trouble == brokenOff:
		return advise("php-fpm's graceful end is QUIT, and only if it may wait: by default it ends its children where they are.", `
process_control_timeout = 20s   ; php-fpm.conf, [global]; 0 by default
STOPSIGNAL SIGQUIT              # Dockerfile; KillSignal=SIGQUIT in a systemd unit`, "https://www.php.net/manual/en/install.fpm.configuration.php#process-control-timeout")
	default:
		return ""
	}
}
