package agent

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/probe"
)

// A check is one of the strategy's, being asked.
type check struct {
	deploy.Check

	mu   sync.Mutex
	yes  bool  // it was, at least once
	last error // of the last time
}

// missing tells what is waited for; "" when the check has said yes.
func (k *check) missing() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.yes:
		return ""
	case k.last != nil:
		return fmt.Sprintf("check %s: %v", k.Name, k.last)
	}
	return "check " + k.Name
}

// watch asks until ctx ends, or until so many answers in a row were no: its
// error is the last.
func (k *check) watch(ctx context.Context, s *service, r deploy.Rollout, asked func()) error {
	t, err := s.outside(r)
	if err != nil {
		return fmt.Errorf("check %s: %w", k.Name, err)
	}
	for failures := 0; ; {
		next := time.Now().Add(k.Every)
		err := probe.AskCheck(ctx, k.Check, t)
		if ctx.Err() != nil {
			return nil // the answer may be about our own end
		}
		switch {
		case err == nil:
			failures = 0
		case !errors.Is(err, probe.ErrNoNumber):
			failures++
		}
		k.note(err)
		asked()
		if failures >= max(k.Failures, 1) {
			return fmt.Errorf("check %s: no, %s\n    %w", k.Name, inARow(failures), err)
		}
		if wait(ctx, time.Until(next)) != nil {
			return nil
		}
	}
}

func inARow(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times in a row", n)
}

func (k *check) note(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.yes = k.yes || err == nil
	k.last = err
}

// outside is where checks are asked from: the new release's folder and
// environment, as an instance of it has them, without being one.
func (s *service) outside(r deploy.Rollout) (probe.Target, error) {
	kept, err := s.a.readEnv(s.name, r.To)
	if err != nil {
		return probe.Target{}, err
	}
	vars := deploy.Environment{"SEGUE_FROM": strconv.Itoa(r.From), "SEGUE_ROLLOUT": strconv.FormatInt(r.ID, 10)}
	env := deploy.Environment{}
	for _, kv := range s.taskEnviron(task{release: r.To, gen: r.ToGen, vars: vars}, kept) {
		name, value, _ := strings.Cut(kv, "=")
		env[name] = value
	}
	return probe.Target{Env: env, Dir: s.a.trees.Path(s.tree(r.To))}, nil
}
