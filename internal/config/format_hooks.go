package config

import (
	"fmt"
	"path"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

type hooks struct {
	Before  []hook `json:"before,omitempty" jsonschema:"Run before anything of the new release is started."`
	Between []hook `json:"between,omitempty" jsonschema:"Run when the new instances are ready, before they get requests."`
	After   []hook `json:"after,omitempty" jsonschema:"Run when the new release has all requests, while the old one can still be gone back to at once."`
}

// hook is a command with what goes with it, or the command alone.
type hook struct {
	Name    text     `json:"name,omitempty" env:"off" jsonschema:"What it is called; absent: as its program."`
	Run     argv     `json:"run,omitempty" env:"off" jsonschema:"Program and arguments, as in release.command."`
	Timeout duration `json:"timeout,omitempty" default:"5m" min:"1ms" jsonschema:"After it, the whole process group is killed, and the hook has failed."`
}

// preparation is the same for what may take long.
type preparation struct {
	Name    text     `json:"name,omitempty" env:"off" jsonschema:"What it is called and remembered by; absent: as its program."`
	Run     argv     `json:"run,omitempty" env:"off" jsonschema:"Program and arguments, as in release.command."`
	Timeout duration `json:"timeout,omitempty" default:"1h" min:"1ms" jsonschema:"After it, the whole process group is killed, and the step has failed."`
}

// A shorthand is a section that may stand in a list as something shorter.
type shorthand interface{ short(c cursor) }

func (h *hook) short(c cursor)        { h.Run.read(c) }
func (p *preparation) short(c cursor) { p.Run.read(c) }

// shortCursor reads what stands for a section as its key that holds a command.
func shortCursor(c cursor) cursor {
	c.tag = reflect.StructTag(`env:"off"`)
	return c
}

// hooks puts the commands around a rollout together.
func (s scope) hooks(set *hooks) deploy.Hooks {
	return deploy.Hooks{
		Before:  s.commands("hooks.before", set.Before),
		Between: s.commands("hooks.between", set.Between),
		After:   s.commands("hooks.after", set.After),
	}
}

func (s scope) prepare(set []preparation) []deploy.Hook {
	all := make([]hook, len(set))
	for i, p := range set {
		all[i] = hook(p)
	}
	return s.commands("prepare", all)
}

// hookName is what can be part of a file's name.
var hookName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)

// commands names the hooks of a list, so that no two have the same name.
func (s scope) commands(at string, set []hook) []deploy.Hook {
	_, section := s.find(at)
	seen := map[string]bool{}
	var out []deploy.Hook
	for i, h := range set {
		item := section.items[i]
		fail := func(what, mend string) { s.r.failAt(item.line, item.col, join(s.path, at), what, mend) }
		name := string(h.Name)
		if _, n := item.get("run"); item.kind == mapping && n == nil {
			fail("nothing is to be run", "say run: PROGRAM ARGUMENTS")
			continue
		}
		switch {
		case len(h.Run) == 0:
			continue // reported by its reader
		case name == "":
			name = defaultName(h.Run[0], seen)
		case !hookName.MatchString(name):
			fail(clip(name)+" cannot be its name", "use up to 63 letters, digits, dashes, dots and underscores")
		case seen[name]:
			fail("two are called "+name, "give one of them another name")
		}
		seen[name] = true
		out = append(out, deploy.Hook{Name: name, Command: h.Run, Timeout: time.Duration(h.Timeout)})
	}
	return out
}

var notInName = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// defaultName calls a command as its program, numbered where that is taken.
func defaultName(program string, taken map[string]bool) string {
	base := strings.TrimLeft(notInName.ReplaceAllString(path.Base(program), "-"), "-._")
	if base == "" {
		base = "command"
	}
	base = base[:min(len(base), 50)]
	name := base
	for n := 2; taken[name]; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return name
}
