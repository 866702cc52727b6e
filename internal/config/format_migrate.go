package config

import (
	"cmp"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

type migrate struct {
	Dir         text     `json:"dir,omitempty" default:"migrations" env:"off" jsonschema:"Folder of the migrations, relative to release.dir, and among release.files."`
	URL         text     `json:"url,omitempty" default:"DATABASE_URL" env:"off" jsonschema:"Name of the variable (of env or env_file) that holds the database's URL. A release with a schema of its own gets it put into the value."`
	Admin       text     `json:"admin,omitempty" env:"off" jsonschema:"Name of the variable with the URL of a role that may define tables; absent: as url."`
	Schema      text     `json:"schema,omitempty" env:"off" jsonschema:"PostgreSQL's schema of the tables; absent: public."`
	Style       text     `json:"style,omitempty" default:"options" enum:"options|search_path|currentSchema|none" jsonschema:"How the release's own schema is told to its database driver: options (libpq and what follows it, pgx), search_path (pgx, lib/pq), currentSchema (JDBC), none (the program reads SEGUE_SCHEMA)."`
	Bake        duration `json:"bake,omitempty" default:"1h" jsonschema:"From the end of the rollout to contract: so long segue rollback finds a database that the old release can work on."`
	Contract    text     `json:"contract,omitempty" default:"auto" enum:"auto|manual" jsonschema:"auto: by itself after bake. manual: by segue migrate contract alone."`
	Timeout     duration `json:"timeout,omitempty" default:"15m" min:"1s" jsonschema:"For expand, and for contract. After it, the rollout is undone; the database stays usable by both."`
	BackfillFor duration `json:"backfill_timeout,omitempty" default:"24h" min:"1s" jsonschema:"The same for the backfill, which a next deploy goes on with."`
	LockTimeout duration `json:"lock_timeout,omitempty" default:"500ms" min:"1ms" jsonschema:"How long a definition may wait for its lock, while others queue behind it. It is then tried again."`
	Batch       count    `json:"batch,omitempty" default:"0" min:"0" max:"1000000" jsonschema:"Rows of the first batch of a backfill; 0: as it finds fit."`
	Slowdown    share    `json:"slowdown,omitempty" default:"30%" min:"1" jsonschema:"What a backfill may add to the latency (p99) of others; it goes slower where it would add more."`
	Unsafe      words    `json:"unsafe,omitempty" env:"off" jsonschema:"Rules of the gate that do not hold for this release's migrations; better said in the file, in front of the statement, with the reason."`
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// migrate checks what is said of the database. Which migrations there are is not
// known before the release was built.
func (s scope) migrate(set *migrate, files []string, env deploy.Environment) *deploy.Migrate {
	if set == nil {
		return nil
	}
	dir := path.Clean(string(set.Dir))
	if bad := checkFile(string(set.Dir), clip(string(set.Dir))); bad != nil {
		s.fail("migrate.dir", bad.what, bad.mend)
	} else if !keptBy(files, dir) && !s.failed("release.files") {
		s.fail("migrate.dir", clip(dir)+" is not among release.files, so that no release would have its migrations", "add it: release: {files: [bin, "+dir+"]}")
	}
	for _, v := range []struct{ key, name string }{{"migrate.url", string(set.URL)}, {"migrate.admin", string(set.Admin)}} {
		_, given := env[v.name]
		switch {
		case v.name == "":
		case strings.Contains(v.name, "://") || !envName.MatchString(v.name):
			s.fail(v.key, "this is to be the name of a variable: a URL holds a password, and this file's settings are kept in the journal", "name the variable, and give it its value under env: {DATABASE_URL: ${DATABASE_URL}}")
		case !given:
			s.fail(v.key, v.name+" is no variable of this service", "give it a value under env: {"+v.name+": ${"+v.name+"}}")
		}
	}
	return &deploy.Migrate{
		Dir: dir, URL: string(set.URL), Admin: string(set.Admin), Schema: string(set.Schema), Style: string(set.Style),
		Bake: time.Duration(set.Bake), Manual: set.Contract == "manual",
		Timeout: time.Duration(set.Timeout), BackfillFor: time.Duration(set.BackfillFor), LockTimeout: time.Duration(set.LockTimeout),
		Batch: int(set.Batch), Pace: 1 + float64(cmp.Or(set.Slowdown, 30))/100, Unsafe: set.Unsafe,
	}
}

// keptBy reports whether a release that keeps files has the folder. A pattern
// takes what it matches with all that is in it.
func keptBy(files []string, dir string) bool {
	for _, pattern := range files {
		for d := dir; ; d = path.Dir(d) {
			if ok, _ := path.Match(pattern, d); ok { // a bad pattern was reported
				return true
			}
			if d == "." || d == "/" {
				break
			}
		}
	}
	return false
}
