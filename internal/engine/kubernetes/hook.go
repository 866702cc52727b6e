package kubernetes

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/kubernetes/manifest"
	"github.com/seguehq/segue/internal/rollout"
)

// runHooks runs a stage's hooks as Jobs, one after the other. Those that have
// ended well are not run again when the rollout is gone on with; one that still
// runs is joined.
func (s *story) runHooks(ctx context.Context, st *rollout.Stage) error {
	for _, h := range st.Hooks {
		key := fmt.Sprintf("%d-%s", s.rec.Stage, h.Name)
		if slices.Contains(s.rec.Hooks, key) {
			continue
		}
		run := s.runHook
		if st.Name == rollout.Preparing {
			run = s.prepare
		}
		if err := run(ctx, h); err != nil {
			return err
		}
		s.rec.Hooks = append(s.rec.Hooks, key)
		err := s.records.write(ctx, s.rec)
		if st.Phase != "" {
			err = s.migrated(ctx, st.Phase)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// prepare runs a step of Service.Prepare, unless it was done for another release.
func (s *story) prepare(ctx context.Context, h deploy.Hook) error {
	done, err := s.records.prepared(ctx, h)
	if err != nil {
		return err
	}
	if done != nil {
		s.note("%s was done by release %d, by %s", h.Name, done.Release, done.Who)
		return nil
	}
	p := deploy.Preparation{Service: s.rec.Service, Name: h.Name, Digest: h.Digest(), Release: s.rec.To, Who: s.rec.Who, Began: time.Now()}
	if err := s.runHook(ctx, h); err != nil {
		return err
	}
	p.Ended = time.Now()
	return s.records.wasPrepared(ctx, p, h)
}

// runHook runs a hook to its end. One that fails condemns the release.
func (s *story) runHook(ctx context.Context, h deploy.Hook) error {
	name := "hook " + h.Name
	if h.Segue {
		name = h.Name
	}
	o := s.new.options(s.rec.New)
	o.Rollout, o.From = s.rec.ID, s.rec.From
	o.Segue = cmp.Or(s.rec.Segue, o.Segue)
	o.Job = jobName(s.rec, h)
	job, err := manifest.Hook(s.spec, h, o)
	if err != nil {
		return condemn("%s: %w", name, err)
	}
	s.last = ""
	s.note("%s runs", name)
	out := &lines{say: func(line string) {
		s.last = line
		s.tell(Event{Kind: EventHook, Hook: h.Name, Text: line})
	}}
	err = s.c.Run(ctx, job, out)
	out.end()
	var failed *JobError
	switch {
	case errors.As(err, &failed):
		return condemn("%s: %w", name, err)
	case err != nil:
		return refused(fmt.Errorf("%s: %w", name, err))
	}
	return nil
}

// migrated writes that a phase of the migrations is done; what was told of it last
// is kept in the history.
func (s *story) migrated(ctx context.Context, phase string) error {
	s.rec.Migrated = deploy.PhaseDone(phase)
	return s.write(ctx, s.rec.Migrated, s.last)
}

// endMigration ends what a deployer who has died has left running: nobody waits
// for it any more.
func (s *story) endMigration(ctx context.Context) error {
	for _, h := range s.stages[s.rec.Stage].Hooks {
		if !h.Segue {
			continue
		}
		job := Ref{"Job", jobName(s.rec, h)}
		is := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: job.Name}}
		err := s.c.Get(ctx, is)
		if ended := jobOf(is); IsGone(err) || err == nil && (ended.Done || ended.Failed != "") {
			continue // its log is kept
		}
		if err := errors.Join(err, s.c.Delete(ctx, job)); err != nil {
			return err
		}
		if err := s.c.Gone(ctx, job); err != nil {
			return fmt.Errorf("wait for the end of %s: %w", h.Name, err)
		}
	}
	return nil
}

// jobName names the Job of a hook in the stage where its rollout is, so that who
// goes on with the rollout finds it.
func jobName(rec *Record, h deploy.Hook) string {
	if h.Segue { // in one stage alone
		return fmt.Sprintf("%s-%s-%d", rec.Service, h.Name, rec.ID)
	}
	sum := sha256.Sum256([]byte(h.Name))
	return fmt.Sprintf("%s-hook-%d-%d-%s", rec.Service, rec.ID, rec.Stage, hex.EncodeToString(sum[:4]))
}

// lines cuts what a hook writes into lines.
type lines struct {
	say  func(string)
	rest []byte
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.say(string(line))
		l.rest = rest
	}
}

// end tells of a last line without an end.
func (l *lines) end() {
	if len(l.rest) > 0 {
		l.say(string(l.rest))
		l.rest = nil
	}
}
