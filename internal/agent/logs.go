package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/engine/process"
)

// rotateEvery is how often the logs' sizes are looked at.
const rotateEvery = 5 * time.Second

// rotateLogs keeps the logs of living instances within their bounds, and
// removes those of instances whose release is no longer kept.
func (a *Agent) rotateLogs(ctx context.Context) {
	for wait(ctx, rotateEvery) == nil {
		for _, s := range a.all() {
			for _, i := range s.fleet.List() {
				l := s.spec(i.Release).Logs
				r := process.Rotator{MaxSize: l.MaxSize, Keep: l.Keep}
				if err := r.Rotate(s.logFile(i.ID)); err != nil {
					s.log.Warn("rotate a log", "instance", i.ID, "error", err)
				}
			}
		}
	}
}

// dropLogs removes the logs of a release's instances.
func (s *service) dropLogs(release int) error {
	names, err := filepath.Glob(s.logFile(fmt.Sprintf("%s-%d.*", s.name, release)))
	if err != nil {
		return err
	}
	more, err := filepath.Glob(s.logFile(fmt.Sprintf("%s-%d.*", s.name, release)) + ".*")
	if err != nil {
		return err
	}
	for _, name := range append(names, more...) {
		if err := os.Remove(name); err != nil {
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
	if !q.Follow {
		return nil
	}
	return a.follow(ctx, q, line)
}

// follow tells every new line of the instances asked for, those that come
// later among them.
func (a *Agent) follow(ctx context.Context, q control.LogsRequest, line func(control.LogLine) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var one sync.Mutex
	var readers sync.WaitGroup
	defer readers.Wait()
	known := map[string]bool{}
	for ctx.Err() == nil && a.living.Err() == nil {
		for _, id := range a.logFiles(q) {
			if known[id] {
				continue
			}
			known[id] = true
			readers.Go(func() {
				err := process.Follow(ctx, a.logFileOf(id), func(l []byte) error {
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
	cancel(nil)
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
