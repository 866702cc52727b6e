package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/seguehq/segue/internal/control"
)

func (x *source) logFile() string { return filepath.Join(x.s.sourceDir(), "log") }

// attempt exports the newest commit, builds and deploys it. again says that the
// gate was closed in between, so that nothing was tried.
func (x *source) attempt(ctx context.Context) (again bool) {
	k := x.state()
	t := control.Attempt{Commit: k.Seen, Began: x.s.a.clock.Now(), As: control.Trying}
	after := int64(0)
	if past, err := x.s.a.journal.History(ctx, x.s.name, 1); err == nil && len(past) > 0 {
		after = past[0].ID
	}
	x.keep(func(k *keptSource) { k.Tries, k.After = append(k.Tries, t), after })
	log, err := newSourceLog(x.logFile())
	if err != nil {
		t.As, t.Note = control.Failed, err.Error()
		x.ended(t)
		return false
	}
	defer log.Close()
	code, err := x.carryOut(ctx, &t, log)
	switch {
	case ctx.Err() != nil:
		return false // the next agent finds out what became of it
	case err != nil:
		t.As, t.Note = control.Failed, err.Error()
	case code == 0:
		t.As = control.Deployed
	case code == 3:
		t.As, t.Note = control.RolledBack, log.last("reason: ")
	case code == 5:
		x.keep(func(k *keptSource) { k.Tries = k.Tries[:len(k.Tries)-1] })
		return true
	default:
		t.As, t.Note = control.Failed, log.last("segue: ")
	}
	x.ended(t)
	return false
}

// carryOut returns the exit code of `segue deploy`.
func (x *source) carryOut(ctx context.Context, t *control.Attempt, log *sourceLog) (int, error) {
	tree := filepath.Join(x.s.sourceDir(), "tree")
	if err := os.RemoveAll(tree); err != nil {
		return 0, fmt.Errorf("make room for the commit: %w", err)
	}
	c, err := x.read(ctx, tree)
	if err != nil {
		fmt.Fprintln(log, err)
		return 0, err
	}
	t.Commit, t.Subject = c.Hash, c.Subject
	x.keep(func(k *keptSource) {
		k.Tries[len(k.Tries)-1] = *t
		if k.Seen != c.Hash { // it is newer than what was seen
			k.Seen, k.SeenAt = c.Hash, x.s.a.clock.Now()
		}
	})
	fmt.Fprintln(log, reasonOf(*t))
	set := x.settings()
	cmd := x.command(ctx, "--state", x.s.a.o.State, "--file", filepath.Join(tree, set.File), "deploy", x.s.name, "--wait", "--from-source", "--why", reasonOf(*t))
	cmd.Dir = tree
	cmd.Env = append(cmd.Env, "SEGUE_WHO="+x.who(), "SEGUE_COMMIT="+t.Commit, "SEGUE_BRANCH="+set.Branch)
	cmd.Stdout, cmd.Stderr = log, log
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() >= 0 {
		return exit.ExitCode(), nil
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // the build has left something running
	}
	return 0, err
}

// command is a segue of our own, which ends with ctx, and with this agent.
func (x *source) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, x.s.a.o.Binary, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SEGUE_LOCK_TOKEN=") && !strings.HasPrefix(v, "SEGUE_UP_RESUMED=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// A commit is what read-source tells of one.
type commit struct {
	Hash    string `json:"hash"`
	Subject string `json:"subject"`
}

const (
	lookTime   = 2 * time.Minute
	exportTime = time.Hour
)

// read asks for the newest commit, and with to for its files in that folder.
func (x *source) read(ctx context.Context, to string) (commit, error) {
	limit := lookTime
	if to != "" {
		limit = exportTime
	}
	reading, stop := context.WithTimeout(ctx, limit)
	defer stop()
	set := x.settings()
	q := map[string]string{"repo": set.Repo, "name": set.Branch, "key": set.Key}
	if to != "" {
		q["to"], q["scratch"] = to, filepath.Join(x.s.sourceDir(), "fetch")
		if err := os.RemoveAll(q["scratch"]); err != nil { // a reader that was killed left it
			return commit{}, err
		}
	}
	asked, err := json.Marshal(q)
	if err != nil {
		return commit{}, err
	}
	cmd := x.command(reading, "read-source")
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(asked), &out, &said
	err = cmd.Run()
	if reading.Err() != nil && ctx.Err() == nil {
		return commit{}, fmt.Errorf("the repository did not answer within %s", limit)
	}
	if err != nil {
		return commit{}, errors.New(strings.TrimPrefix(lastLine(said.String(), "segue: "), "segue: "))
	}
	var c commit
	return c, json.Unmarshal(out.Bytes(), &c)
}

// lastLine is the last line that begins so, or the last that is not empty.
func lastLine(text, prefix string) string {
	last := ""
	found := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		begins := strings.HasPrefix(line, prefix)
		if begins || line != "" && !found {
			last, found = line, found || begins
		}
	}
	return last
}

// logMost bounds what is kept of one attempt, in bytes.
const logMost = 8 << 20

// A sourceLog takes what an attempt writes, up to logMost, and keeps its end.
type sourceLog struct {
	file io.WriteCloser
	left int
	end  []byte
}

func newSourceLog(path string) (*sourceLog, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return &sourceLog{file: f, left: logMost}, nil
}

func (l *sourceLog) Write(p []byte) (int, error) {
	l.end = append(l.end, p...)
	l.end = l.end[max(0, len(l.end)-16<<10):]
	keep := p[:min(len(p), l.left)]
	l.left -= len(keep)
	if _, err := l.file.Write(keep); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (l *sourceLog) Close() { l.file.Close() }

// last is the last line that begins so, without that.
func (l *sourceLog) last(prefix string) string {
	return strings.TrimPrefix(lastLine(string(l.end), prefix), prefix)
}
