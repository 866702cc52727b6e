package examples

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/seguehq/segue/drill"
)

// TestSeveral replaces the services of one file in turn; each path is answered
// by its own service all the while.
func TestSeveral(t *testing.T) {
	need(t, python)
	t.Parallel()
	w := copied(t, "several")
	listen(w)
	w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(100, func(p *drill.Plan) {
		p.Targets = []drill.Target{
			{URL: p.URL + "/api/x", Weight: 2, Expect: &drill.Expect{BodyContains: `"path": "/api/x"`}},
			{URL: p.URL + "/", Expect: &drill.Expect{BodyContains: "<h1>"}},
			{URL: p.URL + "/api/y", Method: "POST", Body: []byte("some text"), Expect: &drill.Expect{BodyContains: `{"got": "some text"}`}},
		}
	})
	d.More(100)
	said := "hello"
	for n := range deploys() {
		next := fmt.Sprintf("hello %d", n+2)
		for _, file := range []string{"api.py", "site/index.html", "worker.sh"} {
			edit(w, file, said, next)
		}
		w.Must(0, "deploy")
		greets(w, "/api/", next)
		greets(w, "/", next)
		said = next
	}
	for _, service := range []string{"api", "site", "worker"} {
		w.Must(0, "rollback", service)
		if got := w.Service(service).Release; got != deploys() {
			t.Errorf("%s: release %d after the rollback, want %d", service, got, deploys())
		}
	}
	said = fmt.Sprint("hello ", deploys())
	greets(w, "/api/", said)
	greets(w, "/", said)
	w.Until("the old worker is at work again", func() bool {
		return strings.Contains(w.Run("logs", "worker").Out, fmt.Sprintf("%s: worker of release %d\n", said, deploys()))
	})
	d.More(100)
	releases(t, d.None(), deploys()+1)
}

// TestEveryExampleIsTested fails for a folder that no test here deploys, nor
// test/shop and test/page.
func TestEveryExampleIsTested(t *testing.T) {
	tested := "shop python node java static python-flask ruby several worker hello socket visits guests canary tabs"
	dirs, err := os.ReadDir("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if d.IsDir() && !strings.Contains(" "+tested+" ", " "+d.Name()+" ") {
			t.Errorf("examples/%s is not tested here", d.Name())
		}
	}
}
