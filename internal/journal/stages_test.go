package journal

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// The stage that a rollout has entered, when, and what was promoted, are there
// for the next agent; nothing of it is written for one that goes back.
func TestStages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "segue.db")
	j := openAt(t, path)
	r := begin(t, j, deploy.Rollout{To: 1, Mode: deploy.ReadOnly})
	at := time.Now()
	for _, s := range []deploy.Step{
		{At: at, Rollout: r.ID, Service: r.Service, Verb: deploy.StepStage, Stage: 2, Note: "5 %"},
		{At: at, Rollout: r.ID, Service: r.Service, Verb: deploy.StepPromote, Stage: 3},
	} {
		if err := j.Append(t.Context(), &s); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = openAt(t, path)
	defer j.Close()
	got := must(j.Rollout(t.Context(), r.ID))(t)
	if got.Stage != 2 || got.StageAt.UnixNano() != at.UnixNano() || got.Promoted != 3 || got.Mode != deploy.ReadOnly {
		t.Errorf("%+v", got)
	}
	steps := must(j.Steps(t.Context(), r.ID, 0))(t)
	if len(steps) != 3 || steps[1].Stage != 2 || steps[1].Note != "5 %" {
		t.Errorf("%+v", steps)
	}
	write := func(v deploy.Verb, stage int) error {
		return j.Append(t.Context(), &deploy.Step{At: at, Rollout: r.ID, Service: r.Service, Verb: v, Stage: stage})
	}
	if write(deploy.StepStage, 2) == nil {
		t.Error("a stage was entered twice")
	}
	if err := write(deploy.StepBack, 0); err != nil {
		t.Fatal(err)
	}
	if write(deploy.StepStage, 4) == nil || write(deploy.StepPromote, 5) == nil {
		t.Error("a rollout went on that goes back")
	}
}

// A file that an older segue has made gets what is missing, once, and stays one
// that the older one can use.
func TestOlderFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "segue.db")
	j := openAt(t, path)
	r := begin(t, j, deploy.Rollout{To: 1})
	for _, a := range additions {
		if _, err := j.db.Exec("ALTER TABLE " + a.table + " DROP COLUMN " + a.column); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		j = openAt(t, path)
		got := must(j.Rollout(t.Context(), r.ID))(t)
		if got.ID != r.ID || got.Stage != 0 || !got.StageAt.IsZero() {
			t.Errorf("%+v", got)
		}
		var version int
		if err := j.db.QueryRow("PRAGMA user_version").Scan(&version); err != nil || version != 1 {
			t.Errorf("version %d, %v", version, err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
