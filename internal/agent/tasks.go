package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/process"
	"github.com/seguehq/segue/internal/rollout"
)

// A task is a command of the user's that is run to its end: a hook of a rollout,
// or a preparation.
type task struct {
	key     string // names the file that tells which process it is
	log     string // names its log
	hook    deploy.Hook
	release int
	gen     int64              // of the instances that its rollout makes; 0 outside any
	vars    deploy.Environment // beside those that instances get
}

// taskEnd is how long a task that is called off has to end by itself.
const taskEnd = 5 * time.Second

// taskFile holds which process a task is, from before it runs anything of the
// user's; and of a hook, until the end of its rollout, that it has ended well.
type taskFile struct {
	PID  int    `json:"pid"`
	Born uint64 `json:"born"`
	Done bool   `json:"done,omitempty"`
	Said string `json:"said,omitempty"` // the last that a phase of a change told
}

func (a *Agent) taskPath(service, key string) string {
	return filepath.Join(a.o.State, "tasks", service, key+".json")
}

// hookKey names the hooks of a rollout, or one of them.
func hookKey(rollout int64, rest string) string { return fmt.Sprintf("hook-%d-%s", rollout, rest) }

// endTasks ends what an earlier agent that was killed has left running: whoever
// wants such a task runs it again. Of rollouts that are open it keeps which hooks
// were done.
func (a *Agent) endTasks(ctx context.Context, open []deploy.Rollout) {
	names, _ := filepath.Glob(a.taskPath("*", "*")) // fails only for a bad pattern
	for _, name := range names {
		err := a.endTask(ctx, name)
		if err == nil && !slices.ContainsFunc(open, func(r deploy.Rollout) bool { return strings.HasPrefix(filepath.Base(name), hookKey(r.ID, "")) }) {
			err = remove(name)
		}
		if err != nil {
			a.log.Warn("end what an earlier agent has begun", "file", name, "error", err)
		}
	}
}

// forgetHooks drops what is remembered of the hooks of a rollout that has ended.
func (s *service) forgetHooks(rollout int64) {
	names, _ := filepath.Glob(s.a.taskPath(s.name, hookKey(rollout, "*"))) // fails only for a bad pattern
	for _, name := range names {
		if err := remove(name); err != nil {
			s.log.Warn("forget a hook", "error", err)
		}
	}
}

// remove removes a file that may be gone already.
func remove(name string) error {
	if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// endTask ends the process of which a file tells, with all it has started, unless
// it has ended well.
func (a *Agent) endTask(ctx context.Context, file string) error {
	var f taskFile
	if err := readJSON(file, &f); err != nil || f.Done || f.PID == 0 {
		return err
	}
	p, err := a.engine.Adopt(f.PID, f.Born)
	if err == nil {
		_, err = p.Stop(ctx, "KILL", 0)
	}
	if err != nil && !errors.Is(err, process.ErrGone) {
		return err
	}
	return remove(file)
}

// Run implements rollout.Tasks: it runs a hook to its end. One that an earlier
// agent has begun is ended and run again; one that it has seen end well is not.
// What a phase of a change writes tells how far it is, and at last what was done.
func (s *service) Run(ctx context.Context, r deploy.Rollout, stage int, h deploy.Hook, told func(note string)) error {
	spec := s.spec(r.To)
	if rollout.Plan(&spec, r)[stage].Name == rollout.Preparing {
		return s.prepareFor(ctx, r, h, told)
	}
	t := task{key: hookKey(r.ID, fmt.Sprintf("%d-%s", stage, h.Name)), log: hookKey(r.ID, h.Name), hook: h, release: r.To, gen: r.ToGen,
		vars: deploy.Environment{"SEGUE_HOOK": h.Name, "SEGUE_ROLLOUT": strconv.FormatInt(r.ID, 10), "SEGUE_FROM": strconv.Itoa(r.From)}}
	var f taskFile
	if err := readJSON(s.a.taskPath(s.name, t.key), &f); err != nil {
		return err
	}
	if f.Done && f.Said != "" {
		told(f.Said)
	}
	if f.Done {
		return nil
	}
	heard := s.said(r, h)
	if h.Segue {
		t.vars["SEGUE_WHO"] = r.Who
		heard = func(line string) { f.Said = line; told(line) }
	} else {
		told("hook " + h.Name + " runs")
	}
	if err := s.runTask(ctx, t, heard); err != nil {
		return err
	}
	if err := writeJSON(s.a.taskPath(s.name, t.key), taskFile{Done: true, Said: f.Said}); err != nil {
		s.log.Warn("a hook would be run again by the next agent", "error", err)
	}
	return nil
}

// said passes what a hook writes on to who watches its rollout.
func (s *service) said(r deploy.Rollout, h deploy.Hook) func(line string) {
	return func(line string) {
		s.a.events.pass(control.Event{At: time.Now(), Rollout: r.ID, Hook: h.Name, Progress: line})
	}
}

// runTask runs a task to its end, and tells what it writes. Its error has the
// last of that. When it returns, nothing of the task is left running.
func (s *service) runTask(ctx context.Context, t task, told func(note string)) error {
	rel := s.release(t.release)
	if rel == nil {
		return fmt.Errorf("release %d is not kept any more", t.release)
	}
	vars, err := s.a.readEnv(s.name, t.release)
	if err != nil {
		return err
	}
	file := s.a.taskPath(s.name, t.key)
	if err := s.a.endTask(ctx, file); err != nil {
		return fmt.Errorf("end what is left of it: %w", err)
	}
	defer s.keepLog(t, rel.Spec.Logs)()
	p, err := s.a.engine.Prepare(ctx, process.Command{
		ID: t.key, Argv: s.a.argv(t.hook), Dir: s.a.trees.Path(rel.Tree), Env: s.taskEnviron(t, vars), LogFile: s.logFile(t.log),
	})
	if err != nil {
		return err
	}
	if err := writeJSON(file, taskFile{PID: p.PID(), Born: p.Born()}); err != nil {
		_, _ = p.Stop(context.WithoutCancel(ctx), "KILL", 0) // its gate was never opened
		return err
	}
	err = s.await(ctx, t, p, told)
	if err := remove(file); err != nil {
		s.log.Warn("a task has ended", "task", t.key, "error", err)
	}
	return err
}

// argv is a hook's command.
func (a *Agent) argv(h deploy.Hook) []string {
	if h.Segue {
		return append([]string{a.o.Binary}, h.Command...)
	}
	return h.Command
}

// await lets a prepared task run, until it ends or its time or ctx is over.
func (s *service) await(ctx context.Context, t task, p *process.Process, told func(note string)) error {
	late := fmt.Errorf("it did not end within %s and was killed", t.hook.Timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, t.hook.Timeout, late)
	defer cancel()
	s.log.Info("task", "task", t.key, "pid", p.PID())
	tail := tailOf(s.logFile(t.log))
	if err := p.Release(ctx); err != nil {
		return err
	}
	tail.tellUntil(ctx, p.Done(), told)
	var err error
	select {
	case <-p.Done():
		if exit := p.Exit(); !exit.OK() {
			err = errors.New(exit.String())
		}
	default:
		err = s.endEarly(ctx, p, context.Cause(ctx) == late)
	}
	s.log.Info("task ended", "task", t.key, "error", err)
	if err != nil {
		return fmt.Errorf("%w%s", err, tail)
	}
	return nil
}

// endEarly ends a task before it has ended by itself, and tells why. One that is
// called off is asked first.
func (s *service) endEarly(ctx context.Context, p *process.Process, late bool) error {
	signal, grace := "TERM", taskEnd
	if late {
		signal, grace = "KILL", 0
	}
	if _, err := p.Stop(context.WithoutCancel(ctx), signal, grace); err != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	return context.Cause(ctx)
}

// taskEnviron is what an instance of the release would get, which a task is not.
func (s *service) taskEnviron(t task, vars deploy.Environment) []string {
	all := maps.Clone(vars)
	maps.Copy(all, t.vars)
	env := s.environ(deploy.Instance{Service: s.name, Release: t.release, Gen: t.gen}, all)
	return slices.DeleteFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "SEGUE_INSTANCE=") })
}

// taskLogsKept is how many logs of a service's tasks are kept, the newest.
const taskLogsKept = 30

// keepLog has the task's log bounded as those of instances are while it runs,
// and drops the logs of old ones.
func (s *service) keepLog(t task, l deploy.Logs) (done func()) {
	path := s.logFile(t.log)
	s.mu.Lock()
	s.tasks[path] = l
	s.mu.Unlock()
	if err := s.dropTaskLogs(); err != nil {
		s.log.Warn("drop old logs", "error", err)
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.tasks, path)
	}
}

// taskLogs are those of the tasks that run.
func (s *service) taskLogs() map[string]deploy.Logs {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.tasks)
}

// instanceLog is the rest of the name of an instance's log behind the service's,
// which may itself begin as a hook's does.
var instanceLog = regexp.MustCompile(`^-[0-9]+\.[0-9]+\.log`)

func (s *service) dropTaskLogs() error {
	var names []string
	for _, pattern := range []string{"hook-*-*", "prepare-*-*"} {
		found, err := filepath.Glob(s.logFile(pattern))
		if err != nil {
			return err
		}
		names = append(names, slices.DeleteFunc(found, func(path string) bool {
			rest, ours := strings.CutPrefix(filepath.Base(path), s.name)
			return ours && instanceLog.MatchString(rest)
		})...)
	}
	age := map[string]time.Time{}
	for _, name := range names {
		st, err := os.Stat(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil {
			age[name] = st.ModTime()
		}
	}
	slices.SortFunc(names, func(a, b string) int { return age[b].Compare(age[a]) })
	for _, name := range names[min(len(names), taskLogsKept):] {
		if err := process.RemoveLog(name); err != nil {
			return err
		}
	}
	return nil
}
