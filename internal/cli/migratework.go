package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/migrate"
)

type migratePlanCmd struct {
	databaseFlags `kong:"embed"`
	Unsafe        []string `help:"A rule of the gate that does not hold this time." placeholder:"RULE"`
}

func (c *migratePlanCmd) Help() string {
	return `Nothing is changed. The exit code is 1 when the gate refuses a statement, as expand would.`
}

func (c *migratePlanCmd) Run(e *env) error {
	db, p, _, err := c.open(e, &workFlags{Unsafe: c.Unsafe, Progress: "none"})
	if err != nil {
		return err
	}
	defer db.Close()
	set, err := p.set()
	if err != nil {
		return err
	}
	change, findings, err := db.Plan(e, set)
	if err != nil {
		return err
	}
	if err := e.print(migratePlan{change, findings}, func(w out) { writeMigratePlan(w, change, findings) }); err != nil {
		return err
	}
	return refused(findings)
}

// migratePlan is what --json prints.
type migratePlan struct {
	Change   *migrate.Change   `json:"change"`
	Findings []migrate.Finding `json:"findings"`
}

// refused is the error for what the gate has refused, if it has.
func refused(findings []migrate.Finding) error {
	n := 0
	for _, f := range findings {
		if f.Refused {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return &exitError{exitFailed, fmt.Sprintf("the gate refuses %s; nothing was changed", plural(n, "statement"))}
}

type migrateExpandCmd struct {
	databaseFlags `kong:"embed"`
	workFlags     `kong:"embed"`
	Fresh         bool `help:"Nobody works on the database yet: bring all migrations but the newest to their end at once."`
}

func (c *migrateExpandCmd) Help() string {
	return `Examples:
  segue migrate expand
  DATABASE_URL=postgres://… segue migrate expand --dir migrations --url-from DATABASE_URL

When it has ended, the old release goes on as before. A statement that would break it, or keep it
waiting, is refused beforehand, with the safe way. A definition that has to wait for a lock makes
room after --lock-timeout and is tried again, so that nobody queues behind it. When a statement
fails for good, what was done is taken back.`
}

func (c *migrateExpandCmd) Run(e *env) error {
	return c.work(e, &c.workFlags, false, func(db *migrate.Database, p place) error {
		set, err := p.set()
		if err != nil {
			return err
		}
		return db.Expand(e, set, c.Fresh)
	})
}

type migrateBackfillCmd struct {
	databaseFlags `kong:"embed"`
	workFlags     `kong:"embed"`
}

func (c *migrateBackfillCmd) Help() string {
	return `It works through the tables in batches, each a transaction of its own, and goes slower when others
get slower by it (--pace). When it was called off, or killed, the same command goes on where it was.`
}

func (c *migrateBackfillCmd) Run(e *env) error {
	return c.work(e, &c.workFlags, false, func(db *migrate.Database, p place) error { return db.Backfill(e) })
}

type migrateContractCmd struct {
	databaseFlags `kong:"embed"`
	workFlags     `kong:"embed"`
	Name          string        `arg:"" optional:"" name:"service" help:"The service of segue.yaml, if several have a database."`
	Bake          time.Duration `help:"With --url-from: refuse before both releases have been able to work for so long." placeholder:"TIME"`
	Now           bool          `help:"Do not wait for the end of bake: there is no way back to the old release any more. Say why with --why."`
	Why           string        `help:"Why, for the history." placeholder:"TEXT"`
}

func (c *migrateContractCmd) Help() string {
	return `Examples:
  segue migrate contract
  segue migrate contract shop --now --why "the next migration is waiting"
  segue migrate contract --dir migrations --url-from DATABASE_URL --bake 1h

It is done by who runs the service: segue's agent, which does it by itself after migrate.bake, too,
or from here where Kubernetes does. Both refuse it while the way back is promised (exit code 5), and
while an instance of an older release is there. With --url-from it is done to that database at once,
whoever works on it: say it when no instance of the old release is left.`
}

func (c *migrateContractCmd) Run(e *env) error {
	if c.URLFrom == "" {
		return c.byWhoRuns(e)
	}
	return c.work(e, &c.workFlags, true, func(db *migrate.Database, p place) error {
		if err := c.baked(e, db, p); err != nil {
			return err
		}
		return db.Contract(e)
	})
}

// byWhoRuns has it done by who runs the service.
func (c *migrateContractCmd) byWhoRuns(e *env) error {
	c.Service = cmp.Or(c.Name, c.Service)
	s, err := c.inFile(e)
	if err != nil {
		return err
	}
	if s == nil {
		return &exitError{exitUsage, "no service of segue.yaml has the block migrate; name the database with --url-from and --dir"}
	}
	found, err := e.locate([]config.Service{*s})
	if err != nil {
		return err
	}
	if found[0].fleet != nil {
		return found[0].fleet.contract(e, s.Name, c.Now, changeFlags{Why: c.Why})
	}
	q := control.Request{Permit: gateFlags{Now: c.Now}.permit()}
	return e.change(s.Name, changeFlags{Why: c.Why}, q, (*control.Client).Contract)
}

// baked refuses to take the way back while it is promised.
func (c *migrateContractCmd) baked(e *env, db *migrate.Database, p place) error {
	st, err := db.Status(e, nil)
	if err != nil || st.Open == nil || st.Open.Ready.IsZero() || c.Now {
		return err
	}
	if left := time.Until(st.Open.Ready.Add(c.Bake)); left > 0 {
		return &exitError{exitNotNow, fmt.Sprintf("%s was ready %s ago, and for %s more the old release may come back; wait, or say --now", names(st.Open.Migrations), ago(time.Since(st.Open.Ready)), ago(left))}
	}
	return nil
}

type migrateRollbackCmd struct {
	databaseFlags `kong:"embed"`
	workFlags     `kong:"embed"`
	Discard       bool `help:"Also when values are lost by it that only the new release knows."`
}

func (c *migrateRollbackCmd) Help() string {
	return `It is refused while segue's agent has an instance of the new release. It need not be said to go back
to the old release, which works on the database as it is; and as long as it was not said, the new
release finds everything when it comes again. It is refused, too, while it would lose values that
only the new release has written.

With --url-from it is done to that database, whoever works on it.`
}

func (c *migrateRollbackCmd) Run(e *env) error {
	return c.work(e, &c.workFlags, true, func(db *migrate.Database, p place) error {
		if err := c.unused(e, db, p); err != nil {
			return err
		}
		return db.Rollback(e, c.Discard)
	})
}

// unused refuses to take away what an instance works with.
func (c *migrateRollbackCmd) unused(e *env, db *migrate.Database, p place) error {
	st, err := db.Status(e, nil)
	if err != nil || st.Open == nil || p.service == nil || c.URLFrom != "" {
		return err
	}
	found, err := e.locate([]config.Service{*p.service})
	if err != nil {
		return err
	}
	name := p.service.Name
	if found[0].fleet != nil {
		return &exitError{exitUsage, fmt.Sprintf("it cannot be seen from here that no new release of %s is left; `segue status` tells. Then say --dir and --url-from", name)}
	}
	user, err := userOf(e, e.agent(), name, st.Open.Migrations)
	if err != nil {
		return fmt.Errorf("%w\nto take the change back whatever runs, say --dir and --url-from", err)
	}
	if user != "" {
		return &exitError{exitFailed, fmt.Sprintf("%s works with what %s added; `segue rollback` goes back to the release before", user, names(st.Open.Migrations))}
	}
	return nil
}

// userOf names an instance, or a rollout under way, that works with some of the
// migrations; "" none.
func userOf(ctx context.Context, agent *control.Client, service string, migrations []string) (string, error) {
	releases, err := agent.Releases(ctx, service)
	var none *control.Error
	if errors.As(err, &none) && none.Code == control.CodeNone {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	with := map[int]bool{}
	for _, r := range releases {
		with[r.Number] = slices.ContainsFunc(r.Has, func(has string) bool { return slices.Contains(migrations, has) })
	}
	st, err := agent.Status(ctx)
	if err != nil {
		return "", err
	}
	for _, s := range st.Services {
		if s.Name != service {
			continue
		}
		if r := s.Rollout; r != nil && with[r.To] {
			return fmt.Sprintf("rollout %d, which is under way,", r.ID), nil
		}
		for _, i := range s.Instances {
			if with[i.Release] {
				return fmt.Sprintf("instance %s, of release %d,", i.ID, i.Release), nil
			}
		}
	}
	return "", nil
}

type migrateBaselineCmd struct {
	databaseFlags `kong:"embed"`
	UpTo          string `arg:"" help:"The last migration that is in the database."`
}

func (c *migrateBaselineCmd) Help() string {
	return `Example:
  segue migrate baseline 0041_invoices`
}

func (c *migrateBaselineCmd) Run(e *env) error {
	return c.work(e, nil, true, func(db *migrate.Database, p place) error {
		set, err := p.set()
		if err != nil {
			return err
		}
		return db.Baseline(e, set, c.UpTo)
	})
}

type migrateStatusCmd struct {
	databaseFlags `kong:"embed"`
}

func (c *migrateStatusCmd) Run(e *env) error {
	db, p, _, err := c.open(e, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	set, err := p.set()
	var none *exitError
	if err != nil && !(errors.As(err, &none) && c.Dir == "" && p.service == nil) {
		return err
	}
	st, err := db.Status(e, set)
	if err != nil {
		return err
	}
	return e.print(st, func(w out) { writeMigrateStatus(w, st, time.Now()) })
}

// work does something to the database, and shows what it has come to; ends says
// that it may end a change.
func (d *databaseFlags) work(e *env, w *workFlags, ends bool, do func(db *migrate.Database, p place) error) error {
	db, p, view, err := d.open(e, w)
	if err != nil {
		return err
	}
	defer db.Close()
	began := time.Now()
	err = do(db, p)
	view.end()
	if err != nil {
		return e.unworked(err)
	}
	set, err := p.set()
	if err != nil {
		set = nil // what follows needs no files
	}
	st, err := db.Status(e, set)
	if err != nil {
		return err
	}
	return e.print(st, func(out out) { writeMigrated(out, st, time.Since(began), ends, w == nil || w.Progress != "plain") })
}

// unworked tells what is to be told of a change that has failed.
func (e *env) unworked(err error) error {
	if e.Err() != nil {
		return &exitError{exitFailed, "called off; both releases can work on the database as it is, and the same command goes on where it was"}
	}
	var bad *migrate.RefusedError
	if errors.As(err, &bad) {
		writeFindings(e.err, bad.Findings)
		return refused(bad.Findings)
	}
	return err
}
