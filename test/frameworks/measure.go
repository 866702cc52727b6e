package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seguehq/segue/check"
)

// grace is what a server gets from its signal to SIGKILL: Docker's.
const grace = 10 * time.Second

// A finding is what was found of a row, when it was last run.
type finding struct {
	Row      string        `json:"row"`
	Versions []string      `json:"versions,omitempty"`
	NotHad   string        `json:"not_had,omitempty"` // why it was not run
	Times    int           `json:"times,omitempty"`   // how often it was run
	Classes  []check.Class `json:"classes,omitempty"` // that this has come to, the most frequent first
	Report   *check.Report `json:"report,omitempty"`  // the worst of all runs; see merge
}

// measure installs and runs the rows, a few at a time, and returns what it has
// found in their order.
func measure(ctx context.Context, o options, rows []Row) ([]finding, error) {
	why := install(ctx, rows)
	temp, err := os.MkdirTemp("", "segue-frameworks-") // for servers that need files
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	if err := os.Chmod(temp, 0o755); err != nil { // some servers' workers are not root
		return nil, err
	}
	found := make([]finding, len(rows))
	places := make(chan struct{}, o.atOnce)
	var running sync.WaitGroup
	for i, r := range rows {
		places <- struct{}{}
		running.Go(func() {
			defer func() { <-places }()
			found[i] = one(ctx, r, why[r.Name], temp, o.times)
			fmt.Println(found[i].line())
			if o.verbose && found[i].Report != nil {
				_ = found[i].Report.WriteText(os.Stdout) // a report that cannot be shown is still written to the page
			}
		})
	}
	running.Wait()
	return found, ctx.Err()
}

// one runs a row, if it could be installed.
func one(ctx context.Context, r Row, why error, temp string, times int, opts ...check.Option) finding {
	f := finding{Row: r.Name}
	if why == nil {
		f.Versions, why = r.command(ctx, r.Version).print()
	}
	if why == nil {
		why = smoke(ctx, r, temp)
	}
	if why != nil {
		f.NotHad = strings.TrimSpace(why.Error())
		return f
	}
	var runs []*check.Report
	for range times {
		run, err := check.Run(ctx, r.target(temp), opts...)
		if err != nil {
			f.NotHad = strings.TrimSpace(err.Error())
			continue
		}
		runs = append(runs, run)
	}
	if len(runs) > 0 {
		f.NotHad, f.Times, f.Classes, f.Report = "", len(runs), classes(runs), merge(runs)
	}
	return f
}

func (r Row) target(temp string) check.Target {
	return check.Target{
		Command: r.Command,
		Dir:     r.dir(),
		Env:     []string{"TMPDIR=" + temp},
		Signal:  r.number(),
		Grace:   grace,
		Paths:   check.Paths{Slow: r.Slow, Stream: r.Stream, Upload: r.Upload, Ready: r.Ready, Events: r.Events, WebSocket: r.WebSocket},
	}
}

// number is the stop signal's; 0 is none of that name.
func (r Row) number() syscall.Signal { return unix.SignalNum("SIG" + r.signal()) }

// line tells the finding while others are still under way.
func (f finding) line() string {
	if f.Report == nil {
		return f.Row + ": not had: " + f.NotHad
	}
	return fmt.Sprintf("%s: %s; %s", f.Row, f.class(), f.Report.Summary())
}

// class is all classes, for a person.
func (f finding) class() string {
	names := make([]string, len(f.Classes))
	for i, c := range f.Classes {
		names[i] = string(c)
	}
	return strings.Join(names, " or ")
}
