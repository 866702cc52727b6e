package main

import "strings"

// rubyRows are Ruby's servers with a Sinatra application, and one of Perl,
// which is made after unicorn.
func rubyRows() []Row {
	row := func(r Row, server string) Row {
		r.Dir, r.Packages = "ruby", []string{"ruby-sinatra", server}
		r.Slow, r.Upload = "/slow", "/upload"
		r.Version = []string{"ruby", "-e", `puts "Ruby #{RUBY_VERSION}"; ARGV.each { |n| puts "#{n} #{Gem::Specification.find_by_name(n).version}" }`,
			"sinatra", strings.TrimPrefix(server, "ruby-")}
		if server != "ruby-webrick" { // Rack's handler for WEBrick keeps an answer until it is whole
			r.Stream = "/stream"
		}
		return r
	}
	puma := func(args ...string) []string {
		return append([]string{"puma", "--environment", "production", "--bind", "tcp://127.0.0.1:$PORT"}, args...)
	}
	unicorn := []string{"unicorn", "--env", "production", "--listen", "127.0.0.1:$PORT", "--config-file", "unicorn.rb"}
	starman := func(r Row) Row {
		r.Dir, r.Packages, r.Slow, r.Stream, r.Upload = "perl", []string{"starman"}, "/slow", "/stream", "/upload"
		r.Version = []string{"perl", "-MStarman", "-e", `printf "Perl %vd\nStarman %s\n", $^V, $Starman::VERSION`}
		r.Command = []string{"starman", "--listen", "127.0.0.1:$PORT", "--workers", "16"}
		return r
	}
	return []Row{
		row(Row{Name: "Sinatra on Puma", Command: puma("--threads", "4:16"),
			Remark: "It finishes what it has begun, with Connection: close, and then ends by the signal itself (raise_exception_on_sigterm)."}, "puma"),
		row(Row{Name: "Sinatra on Puma, cluster", Command: puma("--config", "puma_cluster.rb"),
			Remark: "Each worker stops as Puma does alone."}, "puma"),
		row(Row{Name: "Sinatra on Puma, cluster, queue_requests false", Command: puma("--config", "puma_unqueued.rb"),
			Remark: "A worker accepts only what it can answer at once, and keeps no connection that is idle: it closes each after its answer, without a word."}, "puma"),
		row(Row{Name: "Sinatra on unicorn, TERM", Command: unicorn,
			Remark: "TERM is its quick end, QUIT the graceful one: an image needs STOPSIGNAL QUIT, a unit KillSignal=SIGQUIT."}, "unicorn"),
		row(Row{Name: "Sinatra on unicorn, QUIT", Command: unicorn, Stop: "QUIT",
			Remark: "It stands behind nginx and closes each connection after its answer."}, "unicorn"),
		row(Row{Name: "Sinatra on Thin", Command: []string{"thin", "start", "--threaded", "--environment", "production", "--address", "127.0.0.1", "--port", "$PORT"},
			Remark: "It looks at signals once a second, and then closes what is idle. What is busy stays as long as its client likes, up to 30 s."}, "thin"),
		row(Row{Name: "Sinatra on WEBrick", Command: []string{"rackup", "--env", "production", "--server", "webrick", "--host", "127.0.0.1", "--port", "$PORT"},
			Remark: "A request that comes on a persistent connection after the signal is read, thrown away, and the connection reset."}, "ruby-webrick"),
		starman(Row{Name: "Starman, TERM",
			Remark: "As with unicorn, TERM is the quick end."}),
		starman(Row{Name: "Starman, QUIT", Stop: "QUIT",
			Remark: "Each worker serves one connection at a time, until it is idle for 1 s: what its client goes on asking is answered, and the worker stays."}),
	}
}
