package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// Letters come out in the order of their writing, lane by lane, until they are
// sent; beyond a number the oldest go.
func TestLetters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "segue.db")
	j := openAt(t, path)
	letter := func(lane string, n int) Letter {
		return Letter{Service: "web", Lane: lane, To: deploy.Webhook{URLEnv: lane, On: []deploy.Occasion{deploy.OnDone}}, Release: 3,
			Key: fmt.Sprint("msg_", n), Body: fmt.Append(nil, n), Made: time.Now()}
	}
	var letters []Letter
	for n := range lettersKept + 2 {
		letters = append(letters, letter("A", n))
	}
	if dropped, err := j.Post(t.Context(), 0, append(letters, letter("B", 7))); err != nil || dropped != 2 {
		t.Fatalf("%d dropped, %v", dropped, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = openAt(t, path)
	defer j.Close()
	if lanes := must(j.Lanes(t.Context()))(t); len(lanes) != 2 || lanes[0] != (Lane{"web", "A"}) {
		t.Errorf("%+v", lanes)
	}
	for n := 2; n < 5; n++ {
		l, waiting, err := j.NextLetter(t.Context(), Lane{"web", "A"})
		if err != nil || l.Key != fmt.Sprint("msg_", n) || string(l.Body) != fmt.Sprint(n) || waiting != lettersKept+2-n || l.To.On[0] != deploy.OnDone || l.Release != 3 {
			t.Errorf("%+v, %d waiting, %v", l, waiting, err)
		}
		if err := j.Sent(t.Context(), l.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := j.NextLetter(t.Context(), Lane{"web", "C"}); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
}

// Of a journal that had nobody to tell, only what comes is told of.
func TestToldFromNowOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "segue.db")
	j := openAt(t, path)
	r := begin(t, j, deploy.Rollout{To: 1})
	if _, err := j.db.Exec("DELETE FROM meta WHERE key = 'told'"); err != nil { // as an older segue has left it
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = openAt(t, path)
	defer j.Close()
	told := must(j.Told(t.Context()))(t)
	if steps := must(j.Milestones(t.Context(), told))(t); told == 0 || len(steps) != 0 {
		t.Errorf("told up to %d, and %+v is to come", told, steps)
	}
	for _, v := range []deploy.Verb{deploy.StepBack, deploy.StepEnd} {
		if err := j.Append(t.Context(), &deploy.Step{At: time.Now(), Rollout: r.ID, Service: r.Service, Verb: v}); err != nil {
			t.Fatal(err)
		}
	}
	steps := must(j.Milestones(t.Context(), told))(t)
	if len(steps) != 1 || steps[0].Verb != deploy.StepEnd {
		t.Fatalf("%+v", steps)
	}
	if _, err := j.Post(t.Context(), steps[0].Seq, nil); err != nil {
		t.Fatal(err)
	}
	if got := must(j.Told(t.Context()))(t); got != steps[0].Seq {
		t.Errorf("told up to %d", got)
	}
}

// A step that was done is known by name and command, and the last time counts.
func TestPreparations(t *testing.T) {
	j := openAt(t, filepath.Join(t.TempDir(), "segue.db"))
	defer j.Close()
	a, b := deploy.Hook{Name: "warm", Command: []string{"warm", "it up"}}, deploy.Hook{Name: "warm", Command: []string{"warm", "it", "up"}}
	if a.Digest() == b.Digest() {
		t.Error("two commands have one digest")
	}
	at := time.Now()
	for n, h := range []deploy.Hook{a, b, a} {
		p := deploy.Preparation{Service: "web", Name: h.Name, Digest: h.Digest(), Release: n + 1, Who: "ann", Began: at, Ended: at.Add(time.Duration(n) * time.Second)}
		if err := j.Prepared(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	got := must(j.Preparations(t.Context(), "web"))(t)
	if len(got) != 2 || got[0].Release != 3 || got[0].Digest != a.Digest() || got[1].Release != 2 || !got[1].Ended.Equal(at.Add(time.Second)) {
		t.Errorf("%+v", got)
	}
	if other := must(j.Preparations(t.Context(), "api"))(t); len(other) != 0 {
		t.Errorf("%+v", other)
	}
}
