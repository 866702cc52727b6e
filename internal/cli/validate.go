package cli

import (
	"fmt"
	"strings"

	"github.com/seguehq/segue/internal/config"
)

type validateCmd struct{}

// migrationNames lists a service's migrations.
func migrationNames(s *config.Service) []string {
	if s.Migrate == nil {
		return nil
	}
	return s.Migrate.Names
}

func (c *validateCmd) Run(e *env) error {
	f, err := e.load()
	if err != nil {
		return err
	}
	type fact struct {
		Name     string   `json:"name"`
		Listen   []string `json:"listen,omitempty"`
		Replicas int      `json:"replicas"`
		// Migrations are those that stand in migrate.dir now, before the build.
		Migrations []string `json:"migrations,omitempty"`
		Flags      []string `json:"flags,omitempty"` // of the file that a deploy brings in
	}
	var facts []fact
	for n := range f.Services {
		s := &f.Services[n]
		if err := migrationsNow(s); err != nil {
			return err
		}
		flags, err := fileFlags(s)
		if err != nil {
			return err
		}
		facts = append(facts, fact{s.Name, s.Listen, s.Replicas, migrationNames(s), flagNames(flags)})
	}
	return e.print(facts, func(w out) {
		for i, s := range f.Services {
			what := "worker"
			if !s.Worker() {
				what = "listens on " + strings.Join(s.Listen, " ")
			}
			if n := len(migrationNames(&s)); n > 0 {
				what += ", " + plural(n, "migration")
			}
			if n := len(facts[i].Flags); n > 0 {
				what += ", " + plural(n, "flag")
			}
			fmt.Fprintf(w, "%s: %s, %s, %s\n", s.Name, what, plural(s.Replicas, "instance"), s.Strategy.Type)
		}
		fmt.Fprintf(w, "%s is valid\n", e.flags.File)
	})
}
