package cli

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"time"

	"github.com/seguehq/segue/check"
	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/process"
)

type checkCmd struct {
	Command []string `arg:"" optional:"" passthrough:"" help:"After --: the command that starts the server. It gets a free port as $PORT."`

	PID     int    `name:"pid" placeholder:"N" help:"Check a server that runs, by stopping it: once, for good."`
	URL     string `name:"url" help:"Where the server answers. With a command it may contain {port}. Default: http://127.0.0.1:PORT/."`
	Stop    string `placeholder:"COMMAND" help:"With --url: how to stop the server, such as 'kubectl delete pod x'. Run by sh once for each stop."`
	Service string `placeholder:"NAME" help:"Without a command: which service of segue.yaml."`

	Signal string        `default:"TERM" help:"The stop signal."`
	Grace  time.Duration `default:"10s" help:"From the signal to SIGKILL."`
	Start  time.Duration `default:"60s" help:"How long the server may take until it answers."`

	Slow      string `placeholder:"PATH" help:"A path that answers after one or two seconds."`
	Stream    string `placeholder:"PATH" help:"One that streams its answer for one or two seconds."`
	Upload    string `placeholder:"PATH" help:"One that reads a POST's whole body before it answers."`
	Ready     string `placeholder:"PATH" help:"The readiness probe."`
	Events    string `placeholder:"PATH" help:"Server-sent events."`
	Websocket string `placeholder:"PATH" help:"A WebSocket."`
	GRPC      string `name:"grpc" placeholder:"METHOD" help:"A gRPC method, /pkg.Service/Method, that takes an empty message and answers after one or two seconds."`
	Insecure  bool   `help:"Accept any certificate of a server elsewhere."`

	Only     []string `placeholder:"CASE" help:"Only these cases."`
	Except   []string `placeholder:"CASE" help:"All but these cases."`
	Strict   bool     `help:"Warnings fail, too."`
	Parallel int      `default:"4" help:"How many servers may run at once, if they listen on $PORT."`
	JUnit    string   `name:"junit" placeholder:"FILE" help:"Write the report as JUnit XML."`
	Output   bool     `help:"Show what the server writes, on stderr."`
	Cases    bool     `help:"List the cases, and what each rests on."`
}

func (c *checkCmd) Help() string {
	return `Examples:
  segue check -- ./server                          # it listens on $PORT
  segue check -- gunicorn -b 127.0.0.1:{port} app:app
  segue check --slow '/report?seconds=2' --ready /ready --upload /files -- node server.js
  segue check                                      # the service of segue.yaml
  segue check --pid 4711 --url http://127.0.0.1:8080/
  segue check --url http://10.0.0.7:8080/ --stop 'kubectl delete pod x'
  segue check --junit check.xml --json -- ./server

The server is started several times; each time clients take their positions (a request in flight,
an idle connection, half a request sent, …), the stop signal is sent to its first process, and what
each client gets is judged. Name a slow path: much can only be seen while the server has something
to finish. The exit code is 1 if anything failed that a client did correctly.`
}

func (c *checkCmd) Run(e *env) error {
	if c.Cases {
		return e.print(check.Cases(), writeCases)
	}
	target, err := c.target(e)
	if err != nil {
		return err
	}
	var live *liveLine
	if f, ok := tty(e.err); ok && !e.flags.JSON && !c.Output {
		live = &liveLine{w: f}
		live.show("check: starting the server")
	}
	r, err := check.Run(e, target, c.options(live)...)
	live.clear()
	if err != nil {
		return err
	}
	return c.tell(e, r)
}

func writeCases(w io.Writer) {
	for _, c := range check.Cases() {
		fmt.Fprintf(w, "%s\n    %s\n    %s\n", c.Name, c.Title, c.Rests)
	}
}

func (c *checkCmd) target(e *env) (check.Target, error) {
	t := check.Target{Command: afterDashes(c.Command), PID: c.PID, URL: c.URL, Grace: c.Grace, Start: c.Start, Insecure: c.Insecure,
		Paths: check.Paths{Slow: c.Slow, Stream: c.Stream, Upload: c.Upload, Ready: c.Ready, Events: c.Events, WebSocket: c.Websocket, GRPC: c.GRPC}}
	if c.Stop != "" {
		t.Stop = []string{"/bin/sh", "-c", c.Stop}
	}
	if c.Output {
		t.Output = e.err
	}
	var err error
	if t.Signal, err = process.ParseSignal(c.Signal); err != nil {
		return t, &exitError{exitUsage, "--signal: " + err.Error()}
	}
	if len(t.Command) == 0 && t.PID == 0 && c.Stop == "" {
		return c.fromFile(e, t)
	}
	return t, nil
}

// fromFile checks a service of segue.yaml as it would be run.
func (c *checkCmd) fromFile(e *env, t check.Target) (check.Target, error) {
	if _, err := os.Stat(e.flags.File); err != nil {
		return t, &exitError{exitUsage, fmt.Sprintf("nothing to check: give the server's command after --, or --pid, or --url with --stop, or a segue.yaml (%v)", err)}
	}
	f, err := e.load()
	if err != nil {
		return t, err
	}
	s, err := c.service(f)
	if err != nil {
		return t, err
	}
	if s.Build != "" {
		e.say("%s: build: %s", s.Name, s.Build)
		if err := process.Build(e, s.Dir, s.Build, e.err); err != nil {
			return t, fmt.Errorf("%s: %s", s.Name, firstLine(err.Error())) // what follows is its output, which was shown
		}
	}
	if t.Signal, err = process.ParseSignal(s.Stop.Signal); err != nil {
		return t, err
	}
	t.Dir, t.Grace = s.Dir, s.Stop.Timeout
	for name, value := range s.Env {
		t.Env = append(t.Env, name+"="+value)
	}
	env := maps.Clone(s.Env)
	if env == nil {
		env = deploy.Environment{}
	}
	env["PORT"] = "{port}" // which the check fills in
	for _, word := range s.Command {
		t.Command = append(t.Command, deploy.Expand(word, env))
	}
	if p := s.Probes.Readiness; p != nil && t.Paths.Ready == "" {
		t.Paths.Ready = p.HTTP
	}
	return t, nil
}

func (c *checkCmd) service(f *config.File) (config.Service, error) {
	var names []string
	if c.Service != "" {
		names = []string{c.Service}
	}
	services, err := chosen(f, names)
	if err != nil {
		return config.Service{}, err
	}
	if len(services) > 1 {
		return config.Service{}, &exitError{exitUsage, "the file has several services; say by --service which one to check"}
	}
	s := services[0]
	if !s.Proxied() {
		return s, &exitError{exitUsage, fmt.Sprintf("service %s does not listen on $PORT; give its command after --", s.Name)}
	}
	return s, nil
}

// options are those of the flags; live, which may be nil, shows how far it is.
func (c *checkCmd) options(live *liveLine) []check.Option {
	opts := []check.Option{check.Parallel(c.Parallel)}
	if len(c.Only) > 0 {
		opts = append(opts, check.Only(c.Only...))
	}
	if len(c.Except) > 0 {
		opts = append(opts, check.Except(c.Except...))
	}
	if live == nil {
		return opts
	}
	done, failed := 0, 0
	return append(opts, check.Progress(func(r check.Result) {
		done++
		if r.Verdict == check.Fail {
			failed++
		}
		live.show(fmt.Sprintf("check: %s done, %d failed", plural(done, "case"), failed))
	}))
}

// tell prints the report and makes the exit code.
func (c *checkCmd) tell(e *env, r *check.Report) error {
	write := r.WriteText
	if e.flags.JSON {
		write = r.WriteJSON
	}
	if err := write(e.out); err != nil {
		return err
	}
	if c.JUnit != "" {
		var b bytes.Buffer
		if err := r.WriteJUnit(&b); err != nil {
			return err
		}
		if err := os.WriteFile(c.JUnit, b.Bytes(), 0o644); err != nil {
			return fmt.Errorf("junit: %w", err)
		}
	}
	switch {
	case !r.Passed(), c.Strict && r.Count(check.Warn) > 0:
		return &exitError{code: exitFailed}
	case r.Count(check.Pass) == 0 && r.Count(check.Warn) == 0:
		return &exitError{exitFailed, "the check proves nothing: no case could be tried"}
	}
	return nil
}
