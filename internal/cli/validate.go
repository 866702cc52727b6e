package cli

import (
	"fmt"
	"strings"
)

type validateCmd struct{}

func (c *validateCmd) Run(e *env) error {
	f, err := e.load()
	if err != nil {
		return err
	}
	type fact struct {
		Name     string   `json:"name"`
		Listen   []string `json:"listen,omitempty"`
		Replicas int      `json:"replicas"`
	}
	var facts []fact
	for _, s := range f.Services {
		facts = append(facts, fact{s.Name, s.Listen, s.Replicas})
	}
	return e.print(facts, func(w out) {
		for _, s := range f.Services {
			what := "worker"
			if !s.Worker() {
				what = "listens on " + strings.Join(s.Listen, " ")
			}
			fmt.Fprintf(w, "%s: %s, %s, %s\n", s.Name, what, plural(s.Replicas, "instance"), s.Strategy.Type)
		}
		fmt.Fprintf(w, "%s is valid\n", e.flags.File)
	})
}
