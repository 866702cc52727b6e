package main

import "strings"

// serverRows are web servers and proxies, with each of the signals that their
// manuals name for an end. What is slow they pass to a backend that outlives
// them. Traefik and Envoy are not among Debian's packages.
func serverRows() []Row {
	row := func(name, stop, config string, r Row) Row {
		r.Name, r.Dir, r.Stop, r.Tools = name, "servers", stop, append(r.Tools, "python3")
		r.Command = append([]string{"sh", "start.sh", config}, r.Command...)
		r.Slow, r.Stream, r.Upload, r.Events = "/slow", "/stream", "/upload", "/events"
		return r
	}
	nginx := func(stop, remark string) Row {
		return row("nginx, "+stop, stop, "nginx.conf", Row{Tools: []string{"nginx"}, Remark: remark,
			Command: []string{"nginx", "-p", "@DIR@", "-c", "@CONFIG@", "-e", "stderr"},
			Version: []string{"sh", "-c", "nginx -v 2>&1"}})
	}
	httpd := func(stop, remark string) Row {
		return row("Apache httpd, "+stop, stop, "httpd.conf", Row{Packages: []string{"apache2"}, Remark: remark,
			Command: []string{"apache2", "-D", "FOREGROUND", "-f", "@CONFIG@"},
			Version: []string{"sh", "-c", "apache2 -v | head -1"}})
	}
	haproxy := func(stop, remark string) Row {
		return row("HAProxy, "+stop, stop, "haproxy.cfg", Row{Tools: []string{"haproxy"}, Remark: remark,
			Command: []string{"haproxy", "-W", "-db", "-f", "@CONFIG@"},
			Version: []string{"sh", "-c", "haproxy -v | head -1"}})
	}
	caddy := func(name, config, ready, remark string) Row {
		return row(name, "", config, Row{Tools: []string{"caddy"}, Ready: ready, Remark: remark,
			Command: []string{"env", "XDG_CONFIG_HOME=@DIR@", "XDG_DATA_HOME=@DIR@", "caddy", "run", "--config", "@CONFIG@", "--adapter", "caddyfile"},
			Version: []string{"caddy", "version"}})
	}
	lighttpd := func(stop, remark string) Row {
		return row("lighttpd, "+stop, stop, "lighttpd.conf", Row{Packages: []string{"lighttpd"}, Remark: remark,
			Command: []string{"lighttpd", "-D", "-f", "@CONFIG@"},
			Version: []string{"sh", "-c", "lighttpd -v | head -1"}})
	}
	http2 := func(word string, r Row) Row {
		server, stop, _ := strings.Cut(r.Name, ",")
		r.Name, r.Command = server+" with HTTP/2,"+stop, append([]string{"env", "HTTP2=" + word}, r.Command...)
		return r
	}
	return []Row{
		nginx("TERM", "TERM is the fast shutdown; STOPSIGNAL SIGQUIT, as the official image has it, is the mend."),
		nginx("QUIT", "A connection that was opened and never used is waited for until client_header_timeout, a minute by default."),
		http2("http2", nginx("QUIT", "Without TLS this nginx speaks HTTP/2 alone or not at all.")),
		httpd("TERM", "TERM is the stop without grace; the official image has STOPSIGNAL SIGWINCH. The listening socket outlives the workers by a second, in which connections are accepted by nobody."),
		httpd("WINCH", "WINCH is ignored until httpd has its handler, some 40 ms after its start: one that comes before that is lost. The master looks each second whether its workers are done."),
		http2("h2c", httpd("WINCH", "Both GOAWAYs come in one moment and the end of the connection soon after; what the client has sent meanwhile makes it a reset, in which GOAWAY itself may be lost.")),
		haproxy("TERM", "TERM ends it at once; the official image has STOPSIGNAL SIGUSR1. While the master starts itself anew, which is when the worker serves already, TERM ends the master alone."),
		haproxy("USR1", "A connection that was opened and never used is waited for until timeout http-request or timeout client, here a minute; hard-stop-after bounds that. A USR1 that comes while the master starts itself anew is lost."),
		caddy("Caddy", "Caddyfile", "", "net/http's Shutdown, of the Go that Debian built it with."),
		caddy("Caddy with shutdown_delay", "Caddyfile.delay", "/ready", "Serves on for 2 s and says at /ready that it is leaving, but not on its connections; after that, as without."),
		lighttpd("TERM", "TERM is the stop without grace, and its exit code is 1; INT is the graceful one."),
		lighttpd("INT", "After it has ended a connection, it waits for the client to end its side too, without a limit."),
	}
}
