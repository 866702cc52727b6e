package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

type drillCmd struct {
	URL     string   `arg:"" help:"Where to send the requests. With --in-cluster also the name of a service."`
	Command []string `arg:"" optional:"" passthrough:"" help:"After --: a command to run while the traffic goes on."`

	Rate        float64       `short:"r" default:"200" help:"Requests per second, whatever becomes of the earlier ones."`
	Duration    time.Duration `short:"d" default:"30s" help:"How long, without a command."`
	Before      time.Duration `default:"3s" help:"How long before the command."`
	After       time.Duration `default:"3s" help:"How long after it."`
	Mix         string        `default:"fresh=0.5,kept_alive=0.5" help:"On which connections: shares of fresh, kept_alive, http2."`
	Connections int           `default:"16" help:"Kept-alive connections."`
	Timeout     time.Duration `default:"10s" help:"How long a request may take."`

	Method string   `short:"X" help:"Request method. Default GET, or POST with --body."`
	Header []string `short:"H" sep:"none" help:"Request header, 'Name: value'. Repeat for more." placeholder:"'NAME: VALUE'"`
	Body   string   `short:"b" help:"Request body; @FILE reads it from a file."`

	ExpectStatus string `default:"200-399" help:"Statuses that are right, such as 200,204,301-399."`
	ExpectBody   string `help:"What the body must contain." placeholder:"TEXT"`

	ReleaseHeader string `default:"Segue-Release" help:"Response header that names the release which answered."`
	NoPeek        bool   `help:"Do not look whether a kept-alive connection was closed before it is used again, as careless clients do."`
	InCluster     bool   `help:"Send the requests from a Job in the cluster that --to or the file says."`
	Image         string `help:"With --in-cluster: an image that has segue as its entry point. Default: the file's, or one of this program, pushed to the service's repository." placeholder:"REF"`

	Progress time.Duration `help:"With --json: write a line of live numbers so often, and then the report in one line, for programs that read along." placeholder:"1s"`
	Report   string        `help:"Write the HTML report here. Default: segue-drill.html in the temporary folder; '' writes none." default:"${report}" placeholder:"FILE"`
}

func (c *drillCmd) Help() string {
	return `Examples:
  segue drill http://localhost:8080 --duration 1m
  segue drill http://localhost:8080 -- segue deploy
  segue drill http://localhost:8080/cart -X POST --body '{"n":1}' --rate 500 -- segue restart
  segue drill https://shop.example -- kubectl rollout restart deploy/shop
  segue drill shop --in-cluster --to kubernetes -- kubectl drain node-1 --ignore-daemonsets

Requests go out at a constant rate however slow the answers are (no coordinated omission), and
none is ever sent a second time to hide a loss. Every failure is explained. The exit code is 4
when a request was lost, and otherwise that of the command.`
}

func (c *drillCmd) Run(e *env) error {
	plan, err := c.plan()
	if err != nil {
		return &exitError{exitUsage, err.Error()}
	}
	if c.InCluster {
		return c.inside(e, plan)
	}
	// The command's output must not tear the live line apart.
	opts := []drill.Option{}
	var live *liveLine
	if f, ok := tty(e.err); ok && !e.flags.JSON {
		live = &liveLine{w: f}
		opts = append(opts, drill.Progress(500*time.Millisecond, func(s drill.Snapshot) { live.show(drillLine(s)) }))
	}
	if e.flags.JSON && c.Progress > 0 {
		opts = append(opts, drill.Progress(c.Progress, func(s drill.Snapshot) { writeLive(e.out, s) }))
	}
	r, cmdErr := c.send(e, plan, live, opts)
	live.clear()
	if r == nil {
		return &exitError{exitUsage, cmdErr.Error()}
	}
	return c.tell(e, r, cmdErr)
}

func drillLine(s drill.Snapshot) string {
	phase := s.Phase
	if phase != "" {
		phase = " " + phase
	}
	return fmt.Sprintf("drill%s %s: %d sent, %d lost, %.0f/s, p99 %s", phase, s.Elapsed.Round(time.Second), s.Sent, s.Lost, s.Rate, s.Latency.P99.Round(10*time.Microsecond))
}

func (c *drillCmd) send(e *env, p drill.Plan, live *liveLine, opts []drill.Option) (*drill.Result, error) {
	argv := afterDashes(c.Command)
	if len(argv) == 0 {
		p.Duration = c.Duration
		return drill.Run(e, p, opts...)
	}
	p.Label = strings.Join(argv, " ")
	return drill.Around(e, p, c.Before, c.After, func(ctx context.Context, mark func(string)) error {
		watching, stop := context.WithCancel(ctx)
		var marks sync.WaitGroup
		marks.Go(func() { e.markSteps(watching, mark) })
		defer marks.Wait()
		defer stop()
		return runCommand(ctx, e, argv, live)
	}, opts...)
}

// afterDashes is a passed-through command without the "--" before it.
func afterDashes(argv []string) []string {
	if len(argv) > 0 && argv[0] == "--" {
		return argv[1:]
	}
	return argv
}

// runCommand runs the user's command, which gets the signals of the terminal
// by itself; ours only end it when it is not its. Its environment is ours, and more.
func runCommand(ctx context.Context, e *env, argv []string, live *liveLine, more ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, live.through(e.out), live.through(e.err)
	if e.flags.JSON {
		cmd.Stdout = live.through(e.err) // stdout is for our JSON
	}
	cmd.Env = append(os.Environ(), more...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
	}
	return nil
}

func (c *drillCmd) plan() (drill.Plan, error) {
	p := drill.Plan{URL: c.URL, Method: c.Method, Rate: c.Rate, Connections: c.Connections, Timeout: c.Timeout,
		ReleaseHeader: c.ReleaseHeader, SkipPeek: c.NoPeek, Header: http.Header{}}
	var err error
	if p.Mix, err = drill.ParseMix(c.Mix); err != nil {
		return p, err
	}
	if p.Expect.Status, err = drill.ParseStatus(c.ExpectStatus); err != nil {
		return p, err
	}
	p.Expect.BodyContains = c.ExpectBody
	for _, h := range c.Header {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return p, fmt.Errorf("header %q: write 'Name: value'", name)
		}
		p.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if p.Body, err = body(c.Body); err != nil {
		return p, err
	}
	if p.Method == "" && p.Body != nil {
		p.Method = http.MethodPost
	}
	return p, nil
}

func body(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	if file, ok := strings.CutPrefix(s, "@"); ok {
		return os.ReadFile(file)
	}
	return []byte(s), nil
}

// tell prints the result and makes the exit code.
func (c *drillCmd) tell(e *env, r *drill.Result, cmdErr error) error {
	if e.flags.JSON && c.Progress > 0 {
		if err := writeResult(e.out, r); err != nil {
			return err
		}
	} else if e.flags.JSON {
		if err := r.WriteJSON(e.out); err != nil {
			return err
		}
	} else if err := r.WriteText(e.out); err != nil {
		return err
	}
	if c.Report != "" {
		if err := writeReport(c.Report, r); err != nil {
			return err
		}
		e.say("report    %s", c.Report)
	}
	v := r.Verdict()
	var exit *exec.ExitError
	switch {
	case r.Lost > 0:
		return &exitError{exitLost, errText(cmdErr)}
	case errors.As(cmdErr, &exit) && exit.ExitCode() > 0:
		return &exitError{exit.ExitCode(), cmdErr.Error()}
	case cmdErr != nil:
		return cmdErr
	case !v.Pass:
		return &exitError{exitFailed, "the drill proves nothing: " + v.String()}
	}
	return nil
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func writeReport(path string, r *drill.Result) error {
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		return err
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// markSteps marks the steps of rollouts that begin while the command runs, if
// an agent is there to tell of them.
func (e *env) markSteps(ctx context.Context, mark func(string)) {
	agent := e.agent()
	var watchers sync.WaitGroup
	defer watchers.Wait()
	seen := map[int64]bool{}
	if past, err := agent.History(ctx, "", 20); err == nil {
		for _, r := range past {
			seen[r.ID] = !r.Ended.IsZero()
		}
	}
	for ctx.Err() == nil {
		recent, _ := agent.History(ctx, "", 5) // an agent that is away may be back
		for _, r := range recent {
			if !seen[r.ID] {
				seen[r.ID] = true
				watchers.Go(func() { markRollout(ctx, agent, r, mark) })
			}
		}
		_ = pause(ctx, 50*time.Millisecond)
	}
}

func markRollout(ctx context.Context, agent *control.Client, r deploy.Rollout, mark func(string)) {
	var since int64
	for ctx.Err() == nil {
		err := agent.Watch(ctx, r.ID, since, func(ev control.Event) error {
			since = max(since, ev.Seq)
			switch {
			case ev.Step != nil && ev.Step.Verb == deploy.StepBegin:
				mark(fmt.Sprintf("%s of release %d", r.Kind, r.To))
			case ev.Step != nil && ev.Step.Verb == deploy.StepBack:
				mark("going back")
			case ev.Step != nil && ev.Instance != "":
				mark(ev.Instance + " " + words[ev.Step.Verb])
			case ev.End != "":
				mark(string(ev.End))
			}
			return nil
		})
		if err == nil {
			return
		}
		_ = pause(ctx, 50*time.Millisecond)
	}
}
