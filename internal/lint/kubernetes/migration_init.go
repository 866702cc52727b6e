package kubernetes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// migrationInit: a migration for every pod.
func migrationInit(w *World, report lint.Report) {
	for x := range w.Served() {
		n, ok := x.Replicas()
		if ok && n == 1 && x.Autoscaler == nil {
			continue // nobody to race with
		}
		for _, c := range x.Init() {
			if !c.migrates() {
				continue
			}
			pods := "each pod"
			if ok {
				pods = fmt.Sprintf("each of %d pods", n)
			}
			report(c.Find(
				pods+" migrates the database when it starts: those that start together race, and the old version serves on while the schema changes under it",
				"run it once, as a Job before the rollout (a pre-upgrade or PreSync hook)"))
		}
	}
}

var (
	migrating = lint.Pattern(`(?i)\bmigrat(e|ion|ions|or)\b|db:migrate|\bflyway\b|\bliquibase\b|\balembic\s+upgrade|\bdbmate\b|\bsqitch\b|\bgoose\b.*\bup\b|\bef database update|\bprisma\b.*\b(migrate|push)\b`)
	onlyAsks  = lint.Pattern(`(?i)\b(wait|check|status|pending|verify|ready|poll|until)`)
)

// migrates tells by the container's name and command. One that waits for the
// migrations of another does not.
func (c Container) migrates() bool {
	text := strings.Join(slices.Concat([]string{c.Name}, c.Command, c.Args), " ")
	if len(c.Command)+len(c.Args) == 0 {
		text += " " + parseImage(c.Image).Base()
	}
	return migrating().MatchString(text) && !onlyAsks().MatchString(text)
}
