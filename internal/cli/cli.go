// Package cli is the segue command: a file for each of its commands. They read
// segue.yaml and ask the agent; what they know of deploying is how to show it.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/seguehq/segue/check"
	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

// Exit codes, as `segue help exit-codes` tells them. They do not change.
const (
	exitDone       = 0
	exitFailed     = 1
	exitUsage      = 2
	exitRolledBack = 3
	exitLost       = 4
	exitNotNow     = 5
)

// env is what a command runs with.
type env struct {
	context.Context
	in       io.Reader
	out, err io.Writer
	flags    *globals
	app      *kong.Kong
	helped   *int     // at least 0 once help was printed
	behind   []string // the arguments after the first --
}

// globals are the flags that every command takes.
type globals struct {
	File  string `short:"c" default:"segue.yaml" type:"path" help:"The file that describes the services."`
	State string `env:"SEGUE_STATE" placeholder:"DIR" help:"The agent's state folder. Default: .segue beside segue.yaml if there is one, else /var/lib/segue (root) or ~/.local/state/segue."`
	To    string `env:"SEGUE_TO" placeholder:"ENGINE" help:"Who runs the services: machine, kubernetes[:CONTEXT[/NAMESPACE]] or ecs. Default: what segue.yaml says."`
	JSON  bool   `name:"json" help:"Print facts as JSON."`
}

type commands struct {
	globals `kong:"embed"`

	Up       upCmd       `cmd:"" help:"Run the agent here in the foreground and deploy what segue.yaml says. Ctrl-C stops everything."`
	Deploy   deployCmd   `cmd:"" help:"Make the running services what segue.yaml says, without losing a request."`
	Prepare  prepareCmd  `cmd:"" help:"Run what a release needs done long before its deploy, once."`
	Rollback rollbackCmd `cmd:"" help:"Go back to an earlier release, or undo the rollout that is under way."`
	Scale    scaleCmd    `cmd:"" help:"Change how many instances of a service run."`
	Restart  restartCmd  `cmd:"" help:"Replace all instances of a service by new ones of the same release."`
	Down     downCmd     `cmd:"" help:"Drain and stop services."`

	Pause   pauseCmd   `cmd:"" help:"Park the requests of a service for a while, so that nothing reaches its instances."`
	Promote promoteCmd `cmd:"" help:"Let a rollout that waits go on to its next stage."`
	Resume  resumeCmd  `cmd:"" help:"Let a paused service's requests go on."`

	Maintenance maintenanceCmd `cmd:"" help:"Keep requests, or only those that write, from a service while it is worked on."`

	Job jobCmd `cmd:"" help:"List, run, suspend and resume the jobs that services run at their times."`

	Flag flagCmd `cmd:"" help:"Turn what services do on, up and off while they run: set, ramp, kill, history."`

	Message messageCmd `cmd:"" help:"Look at the messages that no handler could take, and try them again."`
	Migrate migrateCmd `cmd:"" help:"Change the database that old and new release share: expand, backfill, contract."`

	Freeze freezeCmd `cmd:"" help:"Refuse deploys until a time."`
	Source sourceCmd `cmd:"" help:"Show and hurry the Git branches that are watched and deployed."`
	Lock   lockCmd   `cmd:"" help:"Refuse the deploys of others while a command runs."`

	Status   statusCmd   `cmd:"" help:"Show services, instances and what is under way."`
	Releases releasesCmd `cmd:"" help:"List the releases that are kept."`
	History  historyCmd  `cmd:"" help:"List rollouts: who, when, why, and how each ended."`
	Notify   notifyCmd   `cmd:"" help:"Try the webhooks that are told of what happens to a service."`
	Logs     logsCmd     `cmd:"" help:"Show what instances have written."`

	Drill    drillCmd    `cmd:"" help:"Send real traffic, alone or around a command, and explain every lost request."`
	Check    checkCmd    `cmd:"" help:"Find out how a server really shuts down, and what its clients lose by it."`
	Lint     lintCmd     `cmd:"" help:"Find what loses requests in Kubernetes manifests, compose files and systemd units."`
	Plan     planCmd     `cmd:"" help:"Show what a deploy would do, step by step, without doing it."`
	Render   renderCmd   `cmd:"" help:"Write what runs the services on Kubernetes or Amazon ECS, for others to apply."`
	Validate validateCmd `cmd:"" help:"Check segue.yaml."`
	Schema   schemaCmd   `cmd:"" help:"Print the JSON Schema of segue.yaml, for editors."`

	Agent      agentCmd      `cmd:"" help:"Run the agent as a service."`
	Install    installCmd    `cmd:"" help:"Write systemd units for the agent."`
	Upgrade    upgradeCmd    `cmd:"" help:"Replace the running agent and proxy by the binary on disk, without a gap."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
	Completion completionCmd `cmd:"" help:"Print a completion script for bash, zsh or fish."`
	Help       helpCmd       `cmd:"" help:"Explain a command or a topic (exit-codes)."`

	Carry      carryCmd      `cmd:"" hidden:"" help:"Copy segue into a folder. A migration's pod does this."`
	Proxy      proxyCmd      `cmd:"" hidden:"" help:"Run the proxy. The agent does this."`
	ReadSource readSourceCmd `cmd:"" hidden:"" help:"Read a Git repository. The agent does this."`
}

// Main runs segue with its arguments and returns the exit code.
func Main(args []string, in io.Reader, out, errw io.Writer) int {
	var c commands
	code := -1
	app, err := kong.New(&c, kong.Name("segue"), kong.Writers(out, errw), kong.UsageOnError(),
		kong.Description("segue replaces running software without losing a request, and proves it."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
		kong.Vars{"report": filepath.Join(os.TempDir(), "segue-drill.html")}, kong.Exit(func(n int) { code = n }))
	if err != nil {
		fmt.Fprintln(errw, "segue:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := app.Parse(args)
	if code >= 0 {
		return code // --help has been printed
	}
	if err != nil {
		fmt.Fprintf(errw, "segue: %v\nmend: `segue --help` lists the commands, `segue COMMAND --help` their flags\n", err)
		return exitUsage
	}
	if c.State != "" { // kong's own "path" makes the working folder of ""
		c.State = kong.ExpandPath(c.State)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	e := &env{ctx, in, out, errw, &c.globals, app, &code, behind(args)}
	if err = e.onlyHere(k.Command()); err == nil {
		err = k.Run(e)
	}
	return report(errw, err)
}

// behind is what stands after the first --, of which the parser keeps no place.
func behind(args []string) []string {
	if n := slices.Index(args, "--"); n >= 0 {
		return args[n+1:]
	}
	return nil
}

// An exitError ends the command with a code of its own. An empty message was
// told already.
type exitError struct {
	code    int
	message string
}

func (e *exitError) Error() string { return e.message }

// report prints an error and returns the exit code for it.
func report(w io.Writer, err error) int {
	var exit *exitError
	var bad config.Errors
	var refused *control.Error
	var nonsense *check.InvalidError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &exit):
		if exit.message != "" {
			fmt.Fprintln(w, "segue:", exit.message)
		}
		return exit.code
	case errors.As(err, &bad):
		fmt.Fprintln(w, bad.Show())
		return exitUsage
	case errors.As(err, &nonsense):
		fmt.Fprintln(w, "segue:", err)
		return exitUsage
	case errors.As(err, &refused) && refused.Code == control.CodeInvalid:
		fmt.Fprintln(w, "segue:", err)
		return exitUsage
	case errors.As(err, &refused) && (refused.Code == control.CodeClosed || refused.Code == control.CodeLocked):
		fmt.Fprintln(w, "segue:", err)
		return exitNotNow
	case errors.Is(err, context.Canceled): // by Ctrl-C or SIGTERM: nothing else cancels a command
		fmt.Fprintln(w, "segue: interrupted; what the agent has begun goes on, `segue status` shows it")
		return exitFailed
	default:
		fmt.Fprintln(w, "segue:", err)
		return exitFailed
	}
}

// print writes v as JSON with --json, and otherwise what text writes.
func (e *env) print(v any, text func(w io.Writer)) error {
	if !e.flags.JSON {
		text(e.out)
		return nil
	}
	enc := json.NewEncoder(e.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// ended turns how a rollout ended into how the command does.
func ended(phase deploy.Phase) error {
	if phase == deploy.RolledBack {
		return &exitError{code: exitRolledBack}
	}
	return nil
}
