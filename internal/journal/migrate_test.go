package journal

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// What a rollout brings to the database, and how far that is, is there for the
// next agent; a contract makes no instances of its own.
func TestMigrations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "segue.db")
	j := openAt(t, path)
	names := []string{"0007_email", "0008_split"}
	r := begin(t, j, deploy.Rollout{To: 1, Brings: names, Fresh: true})
	write := func(r deploy.Rollout, v deploy.Verb) error {
		return j.Append(t.Context(), &deploy.Step{At: time.Now(), Rollout: r.ID, Service: r.Service, Verb: v, Note: "3 steps"})
	}
	if err := write(r, deploy.StepExpanded); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = openAt(t, path)
	defer j.Close()
	got := must(j.Rollout(t.Context(), r.ID))(t)
	if !slices.Equal(got.Brings, names) || !got.Fresh || got.Migrated != deploy.StepExpanded || got.Did != "3 steps" {
		t.Errorf("%+v", got)
	}
	if err := write(r, deploy.StepEnd); err != nil {
		t.Fatal(err)
	}
	c := begin(t, j, deploy.Rollout{Kind: deploy.KindContract, From: 1, To: 1, FromGen: r.ID, Brings: names})
	if c.ToGen != r.ID {
		t.Errorf("a contract of generation %d makes one of its own, %d", r.ID, c.ToGen)
	}
	if err := write(c, deploy.StepBack); err != nil {
		t.Fatal(err)
	}
	if write(c, deploy.StepContracted) == nil {
		t.Error("a contract was done that goes back")
	}
}
