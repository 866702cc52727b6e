package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/journal"
)

// A release's environment is in a file of its own that only the owner reads:
// it holds secrets, and the journal does not.
func (a *Agent) envFile(service string, release int) string {
	return filepath.Join(a.o.State, "env", service, strconv.Itoa(release)+".json")
}

func (a *Agent) readEnv(service string, release int) (deploy.Environment, error) {
	data, err := os.ReadFile(a.envFile(service, release))
	if err != nil {
		return nil, fmt.Errorf("environment of release %d: %w", release, err)
	}
	var env deploy.Environment
	if err := json.Unmarshal(data, &env); err != nil {
		return nil, fmt.Errorf("environment of release %d: %s is damaged", release, a.envFile(service, release)) // not what is in it
	}
	return env, nil
}

// makeRelease writes down a release, or finds the kept one that is the same.
func (a *Agent) makeRelease(ctx context.Context, s *service, q control.DeployRequest) (*deploy.Release, error) {
	if has, err := a.HasTree(ctx, q.Tree); err != nil || !has {
		return nil, control.Errorf(control.CodeInvalid, "the release's files (%.12s) are not here; send them first (%v)", q.Tree, err)
	}
	digest, err := a.digest(ctx, q)
	if err != nil {
		return nil, err
	}
	r, err := a.journal.AddRelease(ctx, deploy.Release{Service: s.name, Digest: digest, Tree: q.Tree, Spec: q.Spec, Made: time.Now()})
	if err != nil {
		return nil, err
	}
	// Written again when the release is an old one: an agent that died between
	// the journal's line and this one has left none.
	if q.Env == nil {
		q.Env = deploy.Environment{}
	}
	if err := writeJSON(a.envFile(s.name, r.Number), q.Env); err != nil {
		return nil, err
	}
	if len(q.ReadEnv) > 0 {
		if err := writeJSON(a.overlayFile(s.name, r.Number), q.ReadEnv); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.releases[r.Number] == nil {
		s.releases[r.Number] = &r
	}
	return &r, nil
}

func (a *Agent) digest(ctx context.Context, q control.DeployRequest) (string, error) {
	salt, err := a.journal.Salt(ctx)
	if err != nil {
		return "", err
	}
	env := q.Env
	if len(q.ReadEnv) > 0 {
		env = deploy.Environment{}
		maps.Copy(env, q.Env)
		for k, v := range q.ReadEnv {
			env["maintenance/"+k] = v // no variable has such a name
		}
	}
	return deploy.DigestOf(q.Tree, q.Spec, env, salt)
}

// HasTree implements control.Agent.
func (a *Agent) HasTree(_ context.Context, digest string) (bool, error) {
	if digest == "" || filepath.Base(digest) != digest {
		return false, control.Errorf(control.CodeInvalid, "%q is no digest", digest)
	}
	a.keepFresh(digest)
	return a.trees.Has(digest), nil
}

// PutTree implements control.Agent.
func (a *Agent) PutTree(ctx context.Context, tar io.Reader) (string, error) {
	digest, err := a.trees.Unpack(ctx, tar)
	if err != nil {
		return "", fmt.Errorf("keep the release's files: %w", err)
	}
	a.keepFresh(digest)
	return digest, nil
}

// keepFresh keeps a tree that no release has yet from being swept.
func (a *Agent) keepFresh(digest string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fresh[digest] = time.Now()
}

// Releases implements control.Agent.
func (a *Agent) Releases(ctx context.Context, name string) ([]control.Release, error) {
	kept, err := a.journal.Releases(ctx, name)
	if err != nil {
		return nil, err
	}
	out := []control.Release{}
	for _, r := range kept {
		s := a.service(r.Service)
		x := control.Release{Service: r.Service, Number: r.Number, Digest: r.Digest, Made: r.Made, Command: r.Spec.Command, Breaking: r.Spec.Breaking}
		if s != nil {
			x.Has = r.Spec.Migrate.Has()
			x.Serving, x.TooOld = s.now().Release == r.Number, s.tooOld(&r)
		}
		out = append(out, x)
	}
	return out, nil
}

func (s *service) now() journal.Current {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// afterRollout tidies up: the table with the settings that hold from now on,
// sockets that nobody needs, releases beyond those to be kept.
func (a *Agent) afterRollout(ctx context.Context, s *service) {
	if a.proxy.now() != nil {
		if err := a.proxy.apply(ctx); err != nil && !errors.Is(err, errIdle) { // the end of another service may just have dismissed it
			s.log.Warn("tell the proxy", "error", err)
		}
		a.closeSockets(ctx)
	}
	if err := s.prune(ctx); err != nil {
		s.log.Warn("drop old releases", "error", err)
	}
	a.sweep(ctx)
}

// closeSockets closes the sockets that nobody needs.
func (a *Agent) closeSockets(ctx context.Context) {
	a.proxy.dropSockets(ctx, a.sockets.release(a.listening()))
}

// listening is every address that some service needs, or is about to.
func (a *Agent) listening() map[string]bool {
	keys := map[string]bool{}
	a.mu.Lock()
	for key := range a.claimed {
		keys[key] = true
	}
	a.mu.Unlock()
	for _, s := range a.all() {
		for _, r := range s.playing() {
			for _, key := range r.Kept() {
				keys[key] = true
			}
		}
	}
	return keys
}

// failedKept is how many releases are kept that never served: their logs tell
// why. They do not count among those kept for going back to.
const failedKept = 2

// prune drops the oldest releases beyond the number to be kept; never one that
// may have instances.
func (s *service) prune(ctx context.Context) error {
	kept, err := s.a.journal.Releases(ctx, s.name)
	if err != nil {
		return err
	}
	past, err := s.a.journal.History(ctx, s.name, 0)
	if err != nil {
		return err
	}
	served := map[int]bool{}
	for _, r := range past {
		if r.Phase == deploy.Done {
			served[r.To] = true
		}
	}
	keep := map[bool]int{true: 5, false: failedKept} // by whether they served
	if len(kept) > 0 && kept[0].Spec.Keep > 0 {
		keep[true] = kept[0].Spec.Keep
	}
	used := map[int]bool{s.now().Release: true}
	if r := s.underWay(); r != nil {
		used[r.From], used[r.To] = true, true
	}
	if p := s.whoPrepares(); p != nil {
		used[p.Release] = true
	}
	for _, r := range kept {
		if keep[served[r.Number]]--; keep[served[r.Number]] >= 0 || used[r.Number] {
			continue
		}
		if err := s.a.journal.DropRelease(ctx, s.name, r.Number); err != nil {
			return err
		}
		s.mu.Lock()
		delete(s.releases, r.Number)
		s.mu.Unlock()
		for _, name := range []string{s.a.envFile(s.name, r.Number), s.a.overlayFile(s.name, r.Number)} {
			if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		if err := s.dropLogs(r.Number); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes the trees of releases that are no longer kept.
func (a *Agent) sweep(ctx context.Context) {
	kept, err := a.journal.Releases(ctx, "")
	if err != nil {
		a.log.Warn("sweep old files", "error", err)
		return
	}
	used := map[string]bool{}
	for _, r := range kept {
		used[r.Tree] = true
	}
	a.mu.Lock()
	for digest, at := range a.fresh {
		if time.Since(at) < time.Hour {
			used[digest] = true
		} else {
			delete(a.fresh, digest)
		}
	}
	a.mu.Unlock()
	if err := a.trees.Sweep(func(digest string) bool { return used[digest] }); err != nil {
		a.log.Warn("sweep old files", "error", err)
	}
}
