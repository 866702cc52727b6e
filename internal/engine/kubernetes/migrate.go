package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/rollout"
)

// A Due is a contract that is still to come: what only older releases need in the
// database is there as long as one of them may come back. Nothing of Segue's runs
// in the cluster that would do it: `segue migrate contract` does, and a deploy
// before anything else.
type Due struct {
	Release    int       `json:"release"`    // that serves
	Migrations []string  `json:"migrations"` // to be contracted
	At         time.Time `json:"at"`         // until then the way back is promised
	Manual     bool      `json:"manual,omitempty"`
}

// A PromisedError says that it is too early to contract.
type PromisedError struct {
	Migrations []string
	Until      time.Time
}

// Error implements error.
func (e *PromisedError) Error() string {
	return fmt.Sprintf("the way back to a release without %s is promised for %s more, until %s; wait for that, or take it away with --now --why TEXT",
		deploy.Migrations(e.Migrations), time.Until(e.Until).Round(time.Second), e.Until.Local().Format(time.DateTime))
}

// Contract removes from the database what only older releases needed, by a Job.
// It is refused while the way back is promised (unless q.Now is set, with the
// reason in q.Why), and while a pod of an older release is there. One that fails
// changes nothing in the cluster, and may be tried again.
func (c *Cluster) Contract(ctx context.Context, q Request, show func(Event)) (deploy.Rollout, error) {
	return c.change(ctx, q.session(show), q.Wait, func(ctx context.Context, s *session) (*Record, error) {
		if s.open != nil && s.open.Kind == deploy.KindContract {
			return s.run(ctx, s.open, false)
		}
		if err := s.free(ctx); err != nil {
			return nil, err
		}
		if _, err := s.up(); err != nil {
			return nil, err
		}
		due := s.due()
		if due == nil {
			return nil, ErrNothing
		}
		left := time.Until(due.At)
		if left > 0 && !q.Now {
			return nil, &PromisedError{due.Migrations, due.At}
		}
		against := ""
		if left > 0 {
			against = fmt.Sprintf("the way back that was promised for %s more", left.Round(time.Second))
		}
		return s.contract(ctx, due, against)
	})
}

// contract begins the rollout that contracts, and takes it to its end.
func (s *session) contract(ctx context.Context, due *Due, against string) (*Record, error) {
	now := s.last.serves()
	if err := s.alone(ctx, due); err != nil {
		return nil, err
	}
	replicas, err := s.live(ctx, now)
	if err != nil {
		return nil, err
	}
	return s.begin(ctx, deploy.Rollout{Kind: deploy.KindContract, To: now.release, Replicas: replicas, Brings: due.Migrations, Against: against}, nil)
}

// alone fails while a pod is there that does not know what is to be contracted.
func (s *session) alone(ctx context.Context, due *Due) error {
	view, err := s.c.Look(ctx, s.service)
	if err != nil {
		return err
	}
	defer view.Close()
	return s.outlived(view.Now(), due.Migrations)
}

// outlived fails for pods of releases that lack some of the migrations. Of a pod
// of which nothing is known that must be believed, too.
func (s *session) outlived(now Picture, migrations []string) error {
	for _, p := range now.Pods {
		if p.State == Gone {
			continue
		}
		if r := s.release(p.Release); r == nil || len(r.Spec.Migrate.Lacks(migrations)) > 0 {
			return fmt.Errorf("pod %s of release %d is still there (%s), and needs what the contract of %s removes; when it has gone, try again",
				p.Name, p.Release, p.State, deploy.Migrations(migrations))
		}
	}
	return nil
}

// due finds out what is to be contracted; nil: nothing.
func (s *session) due() *Due {
	serving := s.release(s.last.serves().release)
	if serving == nil || serving.Spec.Migrate == nil {
		return nil
	}
	m := serving.Spec.Migrate
	d := &Due{Release: serving.Number, Manual: m.Manual, Migrations: (&deploy.Migrate{Names: s.last.Contracted}).Lacks(m.Names)}
	if len(d.Migrations) == 0 {
		return nil
	}
	since, first := s.since(d.Migrations)
	if d.At = since; !first {
		d.At = since.Add(m.Bake)
	}
	return d
}

// since is from when on all releases that served had the migrations: the end of
// the rollout that brought them. A release that came after it, with no more of
// them, does not put the contract off. first: nothing served before, and there is
// no way back.
func (s *session) since(migrations []string) (at time.Time, first bool) {
	for _, r := range s.past { // the newest first
		if r.Phase != deploy.Done {
			continue
		}
		to := s.release(r.To)
		if to == nil || len(to.Spec.Migrate.Lacks(migrations)) > 0 {
			break
		}
		at, first = r.Ended, r.Fresh
	}
	return at, first
}

// contractFirst contracts what is due before a deploy. Where that fails, a deploy
// that brings no migrations goes on all the same.
func (s *session) contractFirst(ctx context.Context, next *Release, overrules bool) error {
	due, err := s.dueBefore(next, overrules)
	if due == nil || err != nil {
		return err
	}
	drill, why := s.drill, s.why
	s.drill, s.why = nil, fmt.Sprintf("due before the deploy of release %d", next.Number)
	defer func() { s.drill, s.why = drill, why }()
	rec, err := s.contract(ctx, due, "")
	if err == nil && rec.Phase == deploy.RolledBack {
		err = fmt.Errorf("the contract of %s has failed, and nothing else was changed: %s", deploy.Migrations(due.Migrations), rec.Reason)
	}
	left := rec != nil && !rec.Phase.Ended()
	if err != nil && (left || len(s.brings(next)) > 0) {
		return err
	}
	if err != nil {
		s.show(Event{At: time.Now(), Kind: EventWarning, Service: s.service, Text: err.Error()})
	}
	return s.read(ctx)
}

// dueBefore is what is to be contracted before a deploy, nil for nothing. It fails
// where that is too early and the deploy cannot go without, as a database has one
// change at a time; and for a release that cannot work on it any more, unless
// somebody knows better: its migrations may have been made one. One that lacks
// what the serving one has is a way back, for which nothing is contracted.
func (s *session) dueBefore(next *Release, overrules bool) (*Due, error) {
	if err := s.knows(next); err != nil && !overrules {
		return nil, err
	}
	due := s.due()
	if due == nil || len(next.Spec.Migrate.Lacks(due.Migrations)) > 0 {
		return nil, nil
	}
	wait := s.waits(due)
	if brings := s.brings(next); wait != "" && len(brings) > 0 {
		return nil, fmt.Errorf("release %d brings %s, and a database has one change at a time: %s is not contracted yet: %s; nothing was changed",
			next.Number, deploy.Migrations(brings), deploy.Migrations(due.Migrations), wait)
	}
	if wait != "" {
		return nil, nil
	}
	return due, nil
}

// waits tells why a contract is not to be done without being asked for; "" it is.
func (s *session) waits(d *Due) string {
	switch {
	case d.Manual:
		return fmt.Sprintf("`segue migrate contract %s` does it", s.service)
	case time.Until(d.At) > 0:
		return fmt.Sprintf("until %s the way back is promised; `segue migrate contract %s --now --why TEXT` takes it away", d.At.Local().Format(time.DateTime), s.service)
	}
	return ""
}

// brings are the migrations that a release has and the serving one has not.
func (s *session) brings(to *Release) []string {
	var has *deploy.Migrate
	if now := s.release(s.last.serves().release); now != nil {
		has = now.Spec.Migrate
	}
	return has.Lacks(to.Spec.Migrate.Has())
}

// served reports whether a release of the service ever has.
func (s *session) served() bool {
	return slices.ContainsFunc(s.past, func(r Record) bool { return r.Phase == deploy.Done && r.To != 0 })
}

// knows fails for a release that cannot work on the database any more.
func (s *session) knows(r *Release) error {
	lacks := s.tooOld(r)
	if len(lacks) == 0 {
		return nil
	}
	return fmt.Errorf("release %d of %s does not have %s, and after the contract of it there is no way back: what the release needs is not in the database any more; deploy its program with all the migrations that release %d has (--now --why TEXT deploys it all the same)",
		r.Number, s.service, deploy.Migrations(lacks), s.last.serves().release)
}

// tooOld lists what a release would need of what is contracted.
func (s *session) tooOld(r *Release) []string {
	if s.last == nil {
		return nil
	}
	return r.Spec.Migrate.Lacks(s.last.Closed)
}

// union is a list with what another has more, as a list of its own.
func union(list, more []string) []string {
	return append(slices.Clone(list), (&deploy.Migrate{Names: list}).Lacks(more)...)
}

// contract changes the database alone: the pods stay as they are.
type contract struct {
	*story
	s *session
}

func (w contract) enter(context.Context, *rollout.Stage) error {
	if err := w.s.outlived(w.view.Now(), w.rec.Brings); err != nil {
		return condemn("%w", err)
	}
	return nil
}

// back does nothing: what has been removed of the database cannot be had back,
// and is no more needed by any pod.
func (w contract) back(context.Context) error { return nil }
