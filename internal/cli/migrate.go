package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/migrate"
)

type migrateCmd struct {
	Plan     migratePlanCmd     `cmd:"" help:"Show what the migrations would do, statement by statement, and what the gate says of them."`
	Expand   migrateExpandCmd   `cmd:"" help:"Add what the new release needs, and nothing that the old one would notice."`
	Backfill migrateBackfillCmd `cmd:"" help:"Fill it in for the rows that are there, in batches."`
	Contract migrateContractCmd `cmd:"" help:"Remove what only the old release needed. There is no way back."`
	Status   migrateStatusCmd   `cmd:"" help:"Show what was done to the database, and what comes next."`
	Rollback migrateRollbackCmd `cmd:"" help:"Take back what expand and backfill did."`
	Baseline migrateBaselineCmd `cmd:"" help:"Write down that migrations are in the database already, done by another tool."`
}

func (c *migrateCmd) Help() string {
	return `Examples:
  segue migrate plan
  segue migrate expand && segue migrate backfill && ./deploy && segue migrate contract
  segue migrate status --url-from DATABASE_URL --dir db/migrations

A deploy by segue does all this by itself, where segue.yaml has the block migrate. These commands
are for other deploy tools, and for looking. The folder and the database are those of segue.yaml,
or of --dir and of the variable that --url-from names: a URL holds a password, and whoever lists
the processes of a machine sees their arguments.

What is done is written down in the database. A command that was killed is said again, and goes on
where it was; two at a time wait for each other.`
}

// databaseFlags say which database, and which migrations.
type databaseFlags struct {
	Service     string        `short:"s" help:"The service of segue.yaml whose database it is, if several have one." placeholder:"NAME"`
	Dir         string        `help:"The folder of the migrations. Default: migrate.dir of segue.yaml, or migrations." placeholder:"DIR"`
	URLFrom     string        `name:"url-from" help:"The variable that holds the database's URL. Default: migrate.admin or migrate.url of segue.yaml, or DATABASE_URL." placeholder:"NAME"`
	Schema      string        `help:"PostgreSQL's schema of the tables. Default: migrate.schema, or public." placeholder:"NAME"`
	LockTimeout time.Duration `help:"How long a definition may wait for its lock before it makes room and tries again. Default: migrate.lock_timeout, or 500ms." placeholder:"TIME"`
}

// workFlags are those of the commands that change something.
type workFlags struct {
	Batch    int      `help:"Rows of the first batch of a backfill. Default: as it finds fit." placeholder:"N"`
	Pace     float64  `help:"How many times their latency others may get meanwhile. Default: 1.3." placeholder:"X"`
	Unsafe   []string `help:"A rule of the gate that does not hold this time." placeholder:"RULE"`
	Progress string   `enum:"auto,plain,none" default:"auto" help:"auto: one line that changes, on a terminal; plain: a line now and then; none."`
}

// A place is a database with the migrations for it.
type place struct {
	dir     string
	url     string // secret
	from    string // the variable that it is from
	options migrate.Options
	service *config.Service // of segue.yaml; nil: the flags say all

	set func() (migrate.Set, error) // what is in dir, read once
}

// place finds out which database is meant.
func (d *databaseFlags) place(e *env) (place, error) {
	p := place{dir: cmp.Or(d.Dir, "migrations"), from: cmp.Or(d.URLFrom, "DATABASE_URL")}
	p.options = migrate.Options{Schema: d.Schema, LockTimeout: d.LockTimeout, Who: who()}
	if d.Dir == "" || d.URLFrom == "" {
		s, err := d.inFile(e)
		if err != nil {
			return p, err
		}
		if s != nil {
			p.take(d, s)
		}
	}
	if v, ok := os.LookupEnv(p.from); ok && (p.url == "" || d.URLFrom != "") {
		p.url = v
	}
	if p.url == "" {
		return p, &exitError{exitUsage, fmt.Sprintf("the variable %s is not set, which is to hold the database's URL; set it, name another one with --url-from, or write the block migrate into segue.yaml", p.from)}
	}
	return p, nil
}

// take fills in what segue.yaml says and the flags do not.
func (p *place) take(d *databaseFlags, s *config.Service) {
	m := s.Migrate
	p.service = s
	if d.Dir == "" {
		p.dir = filepath.Join(s.Dir, m.Dir)
	}
	if d.URLFrom == "" {
		p.from = cmp.Or(m.Admin, m.URL)
	}
	p.url = s.Env[p.from]
	p.options.Schema = cmp.Or(d.Schema, m.Schema)
	p.options.LockTimeout = cmp.Or(d.LockTimeout, m.LockTimeout)
	p.options.Batch, p.options.Pace, p.options.Unsafe = m.Batch, m.Pace, m.Unsafe
}

// inFile gives the service of segue.yaml whose database is meant, nil where there
// is no such file or none that has one.
func (d *databaseFlags) inFile(e *env) (*config.Service, error) {
	if _, err := os.Stat(e.flags.File); errors.Is(err, os.ErrNotExist) && d.Service == "" {
		return nil, nil
	}
	f, err := e.load()
	if err != nil {
		return nil, err
	}
	var found []config.Service
	for _, s := range f.Services {
		if s.Migrate != nil && (d.Service == "" || s.Name == d.Service) {
			found = append(found, s)
		}
	}
	switch {
	case len(found) == 1:
		return &found[0], nil
	case len(found) > 1:
		return nil, &exitError{exitUsage, fmt.Sprintf("several services have a database; name one: --service %s", found[0].Name)}
	case d.Service != "":
		return nil, &exitError{exitUsage, fmt.Sprintf("%s has no service %q with the block migrate", e.flags.File, d.Service)}
	}
	return nil, nil
}

// read reads the migrations; there may be none where they are not needed.
func (p *place) read() (migrate.Set, error) {
	set, err := migrate.Load(os.DirFS(p.dir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, &exitError{exitUsage, fmt.Sprintf("there is no folder %s; name it with --dir", p.dir)}
	}
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Sprintf("%s: %v", p.dir, err)}
	}
	return set, nil
}

// open connects, and tells the progress of what is done from here on.
func (d *databaseFlags) open(e *env, w *workFlags) (*migrate.Database, place, *migrateView, error) {
	p, err := d.place(e)
	if err != nil {
		return nil, p, nil, err
	}
	p.set = sync.OnceValues(p.read)
	view := &migrateView{}
	if w != nil {
		p.options.Batch, p.options.Pace = cmp.Or(w.Batch, p.options.Batch), cmp.Or(w.Pace, p.options.Pace)
		p.options.Unsafe = append(slices.Clone(p.options.Unsafe), w.Unsafe...)
		view = e.migrateView(w.Progress)
		p.options.Progress = view.show
	}
	db, err := migrate.Open(e, p.url, p.options)
	if err != nil {
		return nil, p, nil, fmt.Errorf("the database of %s: %w", p.from, err)
	}
	return db, p, view, nil
}

// migrations fills in what only the files of a built release can tell: which
// migrations it brings, and the schema that its instances then see, which goes
// into the variable that holds the database's URL.
func migrations(s *config.Service) error {
	if s.Migrate == nil {
		return nil
	}
	m := *s.Migrate
	set, err := migrate.Load(os.DirFS(filepath.Join(s.Dir, m.Dir)))
	if errors.Is(err, os.ErrNotExist) {
		return &exitError{exitUsage, fmt.Sprintf("%s: there is no folder %s, which migrate.dir names", s.Name, filepath.Join(s.Dir, m.Dir))}
	}
	if err != nil {
		return &exitError{exitUsage, fmt.Sprintf("%s: %s: %v", s.Name, m.Dir, err)}
	}
	m.Names = m.Names[:0:0]
	for _, one := range set {
		m.Names = append(m.Names, one.Name)
	}
	base := cmp.Or(m.Schema, "public")
	m.Views = set.Schema(base)
	s.Migrate = &m
	for _, env := range []*deploy.Environment{&s.Env, &s.ReadEnv} {
		if err := see(env, &m, base); err != nil {
			return &exitError{exitUsage, fmt.Sprintf("%s: the value of %s: %v", s.Name, m.URL, err)}
		}
	}
	s.EnvNames = s.Env.Names()
	return nil
}

// migrationsNow is migrations for files that may yet have to be built.
func migrationsNow(s *config.Service) error {
	if s.Migrate != nil && s.Build != "" {
		if _, err := os.Stat(filepath.Join(s.Dir, s.Migrate.Dir)); errors.Is(err, os.ErrNotExist) {
			return nil
		}
	}
	return migrations(s)
}

// see puts a release's schema into an environment that has the database's URL.
func see(env *deploy.Environment, m *deploy.Migrate, base string) error {
	url, ok := (*env)[m.URL]
	if !ok || m.Views == "" {
		return nil
	}
	url, err := migrate.URL(url, m.Views, base, migrate.URLStyle(m.Style))
	if err != nil {
		return err
	}
	out := deploy.Environment{}
	for k, v := range *env {
		out[k] = v
	}
	out[m.URL], out["SEGUE_SCHEMA"] = url, m.Views
	*env = out
	return nil
}
