package main

// phpRows are php-fpm behind an nginx that stays: what a client sees of its stop
// is nginx's answer.
func phpRows() []Row {
	row := func(name, stop, limit, remark string) Row {
		command := []string{"sh", "start.sh"}
		if limit != "" {
			command = append(command, limit)
		}
		return Row{Name: name, Dir: "php", Stop: stop, Remark: remark,
			Tools: []string{"nginx", "python3"}, Packages: []string{"php-fpm"}, Command: command,
			Version: []string{"sh", "-c", "/usr/sbin/php-fpm[0-9]* -v | head -1; nginx -v 2>&1"},
			Slow:    "/slow", Stream: "/stream", Upload: "/upload", Events: "/events"}
	}
	return []Row{
		row("php-fpm behind nginx, TERM", "TERM", "", "TERM ends the workers in the middle of their requests."),
		row("php-fpm behind nginx, QUIT", "QUIT", "", "QUIT is graceful only with process_control_timeout, which is 0 by default: the master does not wait for its workers."),
		row("php-fpm behind nginx, QUIT and process_control_timeout", "QUIT", "process_control_timeout = 10s",
			"Requests in flight are finished. Those that come meanwhile wait in php-fpm's queue, and get 502 from nginx when it has ended."),
	}
}
