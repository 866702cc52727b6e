package page_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seguehq/segue/test/harness"
)

// A shop is examples/tabs, run by Segue.
type shop struct{ *harness.World }

func newShop(t *testing.T) *shop {
	w := harness.New(t)
	for _, err := range []error{os.RemoveAll(w.Dir), os.CopyFS(w.Dir, os.DirFS(filepath.Join(harness.Root(), "examples", "tabs")))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s := &shop{w}
	s.edit("segue.yaml", "127.0.0.1:8080", fmt.Sprint("127.0.0.1:", w.Port))
	s.edit("public/index.html", "defer data-notice", `defer data-notice data-spread="0"`)
	return s
}

// edit changes a file of the next release.
func (s *shop) edit(name, old, new string) {
	s.T.Helper()
	text := s.Read(name)
	if !strings.Contains(text, old) {
		s.T.Fatalf("%s has no %q", name, old)
	}
	s.Write(name, strings.ReplaceAll(text, old, new))
}

// colour renames the file that pages load late, as tools do that name files by what is
// in them.
func (s *shop) colour(from, to string) {
	s.T.Helper()
	s.edit("public/index.html", from+".js", to+".js")
	s.Write("public/assets/"+to+".js", fmt.Sprintf("export const colour = %q\n", to))
	if err := os.Remove(filepath.Join(s.Dir, "public", "assets", from+".js")); err != nil {
		s.T.Fatal(err)
	}
}

// deploy goes on beside the test: the last thing that a deploy does is to wait for pages
// of the older release. What pages are told tells the test how far it is.
func (s *shop) deploy(args ...string) { s.Background(append([]string{"deploy"}, args...)...) }

// answers asks by the page's button.
func answers(x *tab, want string) {
	x.t.Helper()
	x.get(`answer.value = ""; ask.click(); 1`)
	x.is(`answer.value === "` + want + `"`)
}

// segue: tabs that are open while Segue replaces their service, and itself.
func segue(t *testing.T, b *browser) {
	s := newShop(t)
	agent := s.Agent()
	s.Must(0, "deploy")
	me := b.somebody(t)
	x, y := b.open(t, me, s.URL(), noted), b.open(t, me, s.URL(), noted)
	for _, old := range []*tab{x, y} {
		old.is(`window.segue?.current === "1"`)
		old.want(`segue.release`, "1")
	}
	x.is(`navigator.locks.query().then((q) => q.held.length === 1 && q.pending.length === 1)`) // one has the stream

	// Another release, that is not breaking.
	s.colour("colour-1", "colour-2")
	s.deploy()
	x.is(`segue.current === "2"`)
	z := b.open(t, me, s.URL(), noted) // the cookie is this one's now
	z.is(`window.segue?.current === "2"`)
	answers(z, "release 2, colour-2")
	for _, old := range []*tab{x, y} {
		old.is(`segue.current === "2"`)
		old.want(`heard.join()`, `segue:release {"from":"1","to":"2","breaking":""}`)
		old.is(shown + ` === "A new version is available."`)
		answers(old, "release 1, green") // of which no instance of release 2 knows
		old.want(`document.body.dataset.release`, "1")
	}
	x.shot("new-version")

	// Nobody is there but the proxy.
	agent.Kill()
	answers(x, "release 1, green")
	answers(z, "release 2, colour-2")
	s.Agent()

	// Maintenance: requests wait, and the page sees no error.
	s.Must(0, "maintenance", "on", "--retry-after", "60s", "--why", "new shelves")
	x.get(`answer.value = ""; ask.click(); 1`)
	x.is(shown + `.includes("we are back in")`)
	x.shot("maintenance")
	s.Must(0, "maintenance", "off")
	x.is(`answer.value === "release 1, green"`)

	// The proxy is replaced.
	proxy := s.Status().Proxy.PID
	s.Must(0, "upgrade")
	if s.Status().Proxy.PID == proxy {
		t.Error("the proxy is the old one")
	}
	answers(x, "release 1, green")

	// A form half filled, and a release that its page cannot work with.
	for selector, value := range map[string]string{"[name=name]": "Ada Lovelace", "[name=about]": "Two lines\nthat took long.", "[name=password]": "hunter2"} {
		x.do("fill", selector, value)
	}
	x.do("selectOption", "[name=size]", "large")
	x.do("check", "[name=news]")
	x.do("setInputFiles", "[name=picture]", filepath.Join(s.Dir, "segue.yaml"))
	x.do("click", "#letter")
	x.do("fill", "#letter", "Dear all")
	x.shot("before")
	s.deploy("--breaking", "--force")
	for _, old := range []*tab{x, y, z} {
		old.is(`document.body.dataset.release === "3" && segue.current === "3"`)
		answers(old, "release 3, colour-2")
	}
	x.is(`window.restored`)
	for expression, want := range map[string]string{
		`document.querySelector("[name=name]").value`:     "Ada Lovelace",
		`document.querySelector("[name=about]").value`:    "Two lines\nthat took long.",
		`document.querySelector("[name=size]").value`:     "large",
		`document.querySelector("[name=news]").checked`:   "true",
		`document.querySelector("[name=password]").value`: "",
		`document.querySelector("[name=picture]").value`:  "",
		`letter.textContent`:                              "Dear all",
		`document.activeElement.id`:                       "letter",
	} {
		x.want(expression, want)
	}
	x.shot("after")
}
