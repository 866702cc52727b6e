package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/source"
)

type sourceCmd struct {
	Status sourceStatusCmd `cmd:"" help:"Show what is watched, and what became of the last commit."`
	Now    sourceNowCmd    `cmd:"" help:"Look at once, and deploy what is new without waiting for the schedule."`
	Retry  sourceRetryCmd  `cmd:"" help:"Deploy the newest commit once more, after it has failed."`
	Log    sourceLogCmd    `cmd:"" help:"Show what the last attempt has written: checkout, build, deploy."`
}

func (c *sourceCmd) Help() string {
	return `Examples:
  segue source status
  segue source now shop
  segue source retry
  segue source log | less

What is watched is said in segue.yaml, under source; a deploy by hand sets it. Windows, freezes
and locks hold for what comes from a source as for any deploy.`
}

type sourceStatusCmd struct{}

func (c *sourceStatusCmd) Run(e *env) error {
	st, err := e.agent().Status(e)
	if err != nil {
		return err
	}
	all := map[string]*control.Source{}
	for _, s := range st.Services {
		if s.Source != nil {
			all[s.Name] = s.Source
		}
	}
	return e.print(all, func(w out) {
		for _, s := range st.Services {
			if s.Source != nil {
				fmt.Fprintln(w, s.Name)
				writeSource(w, *s.Source)
			}
		}
		if len(all) == 0 {
			fmt.Fprintln(w, "no service has a source; say in segue.yaml: source: {repo: …, branch: …}")
		}
	})
}

// writeSource tells of a source in the lines of a service's status.
func writeSource(w out, s control.Source) {
	when := "at once"
	if s.Schedule != "" {
		when = fmt.Sprintf("by %q, next %s", s.Schedule, minute(s.Due))
	}
	fmt.Fprintf(w, "  source: %s of %s, %s", printable(s.Branch), printable(s.Repo), when)
	if s.Seen != "" {
		fmt.Fprintf(w, "; at %.12s since %s", s.Seen, minute(s.SeenAt))
	}
	fmt.Fprintln(w)
	if s.Problem != "" {
		fmt.Fprintf(w, "    cannot be read: %s; next look %s\n", printable(firstLine(s.Problem)), s.Next.Local().Format(time.TimeOnly))
	}
	if s.Waits != "" {
		fmt.Fprintf(w, "    waits: %s\n", printable(s.Waits))
	}
	if t := s.Tried; t != nil {
		fmt.Fprintf(w, "    %.12s %s: %s", t.Commit, printable(t.Subject), t.As)
		if t.Note != "" {
			fmt.Fprintf(w, ", %s", printable(firstLine(t.Note)))
		}
		fmt.Fprintln(w)
	}
}

type sourceNowCmd struct {
	Service string `arg:"" optional:"" help:"The service, if there are several."`
}

func (c *sourceNowCmd) Run(e *env) error { return e.lookAtSource(c.Service, false) }

type sourceRetryCmd struct {
	Service string `arg:"" optional:"" help:"The service, if there are several."`
}

func (c *sourceRetryCmd) Run(e *env) error { return e.lookAtSource(c.Service, true) }

func (e *env) lookAtSource(service string, retry bool) error {
	name, err := e.one(service)
	if err != nil {
		return err
	}
	s, err := e.agent().LookAtSource(e, control.SourceRequest{Service: name, Retry: retry, Who: who()})
	if err != nil {
		return err
	}
	if err := e.print(s, func(w out) { fmt.Fprintln(w, name); writeSource(w, s) }); err != nil {
		return err
	}
	if s.Problem != "" {
		return &exitError{code: exitFailed}
	}
	return nil
}

type sourceLogCmd struct {
	Service string `arg:"" optional:"" help:"The service, if there are several."`
}

func (c *sourceLogCmd) Run(e *env) error {
	name, err := e.one(c.Service)
	if err != nil {
		return err
	}
	text, err := e.agent().SourceLog(e, name)
	if err != nil {
		return err
	}
	return e.print(text, func(w out) { _, _ = io.WriteString(w, text) })
}

// readSourceCmd is what the agent starts to read a repository: a process of its
// own, so that nothing that a repository holds can harm the agent. It is asked
// on its standard input, since a URL may hold a secret.
type readSourceCmd struct{}

type readSource struct {
	source.Branch
	Scratch string `json:"scratch,omitempty"`
	To      string `json:"to,omitempty"` // where its files go; "" only its newest commit is wanted
}

func (c *readSourceCmd) Run(e *env) error {
	stepAside()
	var q readSource
	if err := json.NewDecoder(e.in).Decode(&q); err != nil {
		return &exitError{exitUsage, fmt.Sprintf("read-source is for the agent: %v", err)}
	}
	var commit source.Commit
	var err error
	if q.To == "" {
		commit.Hash, err = q.Head(e)
	} else {
		commit, err = q.Export(e, q.Scratch, q.To)
		err = joinRemoval(err, os.RemoveAll(q.Scratch))
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(e.out).Encode(commit)
}

func joinRemoval(err, removal error) error {
	if err != nil {
		return err
	}
	return removal
}
