package agent

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

// A ledger is what a service's history says of its migrations.
type ledger struct {
	gone    []string  // those that are contracted, or began to be: nobody can tell what is left
	waiting []string  // those of the current release that are not contracted yet
	since   time.Time // when the rollout ended that brought the last of these
	failed  int       // contracts since then that did not work
	last    deploy.Rollout
	served  bool // some release has served at some time
}

// ledgerOf reads a history, the newest rollout first. current is what the
// service is now.
func ledgerOf(past []deploy.Rollout, current *deploy.Migrate) ledger {
	var l ledger
	contracted := &deploy.Migrate{}
	for _, r := range slices.Backward(past) {
		if r.Phase == deploy.Done && r.To != 0 {
			l.served = true
		}
		if r.Kind != deploy.KindContract {
			continue
		}
		if r.Phase != deploy.Done || !strings.Contains(r.Did, deploy.NothingRemoved) {
			l.begun(r)
		}
		if r.Phase == deploy.Done {
			contracted.Names = append(contracted.Names, r.Brings...)
		}
	}
	l.waiting = contracted.Lacks(current.Has())
	rest := &deploy.Migrate{Names: l.waiting}
	for _, r := range past {
		switch {
		case len(rest.Lacks(r.Brings)) == len(r.Brings): // it has nothing to do with them
		case r.Kind == deploy.KindContract && r.Phase == deploy.RolledBack:
			if l.failed++; l.failed == 1 {
				l.last = r
			}
		case r.Kind != deploy.KindContract && r.Phase == deploy.Done:
			l.since = r.Ended
			return l
		}
	}
	return l
}

// A contract that did not work is tried again after a while, which doubles.
const (
	contractRetry     = time.Minute
	contractRetryMost = time.Hour
)

// retry is when a contract that did not work is tried again; zero: none failed.
func (l *ledger) retry() time.Time {
	if l.failed == 0 {
		return time.Time{}
	}
	return l.last.Ended.Add(min(contractRetry<<min(l.failed-1, 10), contractRetryMost))
}

// begun notes a contract from its beginning on.
func (l *ledger) begun(r deploy.Rollout) {
	if r.Kind == deploy.KindContract {
		l.gone = append(l.gone, (&deploy.Migrate{Names: l.gone}).Lacks(r.Brings)...)
	}
}

// readLedger takes in what the history says now.
func (s *service) readLedger(ctx context.Context) error {
	past, err := s.a.journal.History(ctx, s.name, 0)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.ledger = ledgerOf(past, s.migrates(s.current.Release))
	s.mu.Unlock()
	s.ringContractor()
	return nil
}

// migrates is how a release changes the database; s.mu is held.
func (s *service) migrates(release int) *deploy.Migrate {
	if r := s.releases[release]; r != nil {
		return r.Spec.Migrate
	}
	return nil
}

// brings fills in what a rollout does to the database first; s.mu is held.
func (s *service) brings(r *deploy.Rollout) {
	if r.Kind == deploy.KindContract || r.To == 0 || r.To == r.From {
		return
	}
	r.Brings = s.migrates(r.To).Has()
	if r.From != 0 {
		r.Brings = s.migrates(r.From).Lacks(r.Brings)
	}
	r.Fresh = r.From == 0 && !s.ledger.served
}

// fits refuses a release that cannot work on the database any more, and one whose
// migrations have to wait; knowing says that the first was asked already. s.mu is held.
func (s *service) fits(release string, m *deploy.Migrate, knowing bool) error {
	if gone := m.Lacks(s.ledger.gone); len(gone) > 0 && !knowing {
		return control.Errorf(control.CodeInvalid, "%s has no migration %s, whose contract is done or has begun: what it needs may be gone from the database. "+
			"Deploy a release that has it; `segue releases` tells which can serve", release, deploy.Migrations(gone))
	}
	have := s.migrates(s.current.Release)
	brings := have.Lacks(m.Has())
	if s.current.Release == 0 || len(brings) == 0 || len(s.ledger.waiting) == 0 {
		return nil
	}
	when := "is due as soon as it can be"
	if due := s.contractDue(); have.Manual {
		when = "comes by command"
	} else if s.a.clock.Now().Before(due) {
		when = "is due at " + due.Local().Format(time.DateTime)
	}
	return control.Errorf(control.CodeInvalid, "%s brings %s while %s waits for its contract, which %s: a database is in one change at a time. "+
		"Wait for that, or end the way back now: segue migrate contract %s --now --why '…'", release, deploy.Migrations(brings), deploy.Migrations(s.ledger.waiting), when, s.name)
}

// overrules tells what a deploy goes against that somebody wants although its
// release lacks migrations which are contracted: they may have been made one, or
// another tool changes the database from now on. s.mu is held.
func (s *service) overrules(q control.DeployRequest) string {
	gone := q.Spec.Migrate.Lacks(s.ledger.gone)
	if len(gone) == 0 || !q.Now || q.Why == "" {
		return ""
	}
	return "it has no migration " + deploy.Migrations(gone) + ", which is contracted"
}

// fitsNow is fits for a deploy, before anything is done for it. One that waits for
// another rollout is asked when its turn has come.
func (s *service) fitsNow(q control.DeployRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rollout != nil {
		return nil
	}
	return s.fits("this release", q.Spec.Migrate, s.overrules(q) != "")
}

// tooOld lists what a release would need of what is contracted.
func (s *service) tooOld(r *deploy.Release) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.Spec.Migrate.Lacks(s.ledger.gone)
}
