package agent

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/process"
)

// rotateLogs keeps the logs of living instances within their bounds.
func (a *Agent) rotateLogs(ctx context.Context) {
	r := process.Rotator{Every: 5 * time.Second, Warn: func(path string, err error) {
		a.log.Warn("rotate a log", "path", path, "error", err)
	}}
	r.Run(ctx, func() map[string]deploy.Logs {
		all := map[string]deploy.Logs{}
		for _, s := range a.all() {
			for _, i := range s.fleet.List() {
				all[s.logFile(i.ID)] = s.spec(i.Release).Logs
			}
			maps.Copy(all, s.taskLogs())
		}
		return all
	})
}

// dropLogs removes the logs of a release's instances.
func (s *service) dropLogs(release int) error {
	names, err := filepath.Glob(filepath.Join(s.a.o.State, "logs", s.name, fmt.Sprintf("%s-%d.*.log", s.name, release)))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := process.RemoveLog(name); err != nil {
			return err
		}
	}
	return nil
}

// Logs implements control.Agent.
func (a *Agent) Logs(ctx context.Context, q control.LogsRequest, line func(control.LogLine) error) error {
	files := a.logFiles(q)
	if len(files) == 0 {
		return control.Errorf(control.CodeNone, "no instance %s to show logs of; `segue status` lists them", strings.TrimSpace(q.Service+" "+q.Instance))
	}
	if q.Follow {
		return a.follow(ctx, q, line)
	}
	for _, id := range files {
		tail, err := process.Tail(a.logFileOf(id), q.Lines)
		if err != nil {
			return err
		}
		for _, l := range tail {
			if err := line(control.LogLine{Instance: id, Line: l}); err != nil {
				return err
			}
		}
	}
	return nil
}

// follow tells the last lines of the instances asked for and every new one,
// also of instances that come later.
func (a *Agent) follow(ctx context.Context, q control.LogsRequest, line func(control.LogLine) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(a.staying, func() { cancel(nil) })()
	var one sync.Mutex
	var readers sync.WaitGroup
	known := map[string]bool{}
	for lines := q.Lines; ctx.Err() == nil; lines = math.MaxInt32 { // of a later one, all
		for _, id := range a.logFiles(q) {
			if known[id] {
				continue
			}
			known[id] = true
			readers.Go(func() {
				err := process.Follow(ctx, a.logFileOf(id), lines, func(l []byte) error {
					one.Lock()
					defer one.Unlock()
					return line(control.LogLine{Instance: id, Line: string(l)})
				})
				if err != nil {
					cancel(err)
				}
			})
		}
		_ = wait(ctx, time.Second) // new instances are looked for each second
	}
	readers.Wait()
	return nil
}

// logFiles lists the instances whose logs are asked for: the living ones, or
// the one that is named, which may have ended.
func (a *Agent) logFiles(q control.LogsRequest) []string {
	if q.Instance != "" {
		if _, err := os.Stat(a.logFileOf(q.Instance)); err != nil {
			return nil
		}
		return []string{q.Instance}
	}
	var ids []string
	for _, s := range a.all() {
		if q.Service != "" && s.name != q.Service {
			continue
		}
		for _, i := range s.fleet.List() {
			if i.PID != 0 {
				ids = append(ids, i.ID)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// logFileOf finds an instance's log by its ID, "service-release.n".
func (a *Agent) logFileOf(id string) string {
	id = filepath.Base(id)
	name, _, _ := strings.Cut(id, ".")
	if at := strings.LastIndex(name, "-"); at > 0 {
		name = name[:at]
	}
	return filepath.Join(a.o.State, "logs", name, id+".log")
}
