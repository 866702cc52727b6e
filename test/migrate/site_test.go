package migrate_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/test/harness"
	"github.com/seguehq/segue/test/migrate/shape"
)

// A track is one way to write the same migrations.
type track struct {
	name   string // of the folder in testdata
	title  string // as the cookbook has it
	phased bool
	mysql  bool
	url    func(testing.TB) string // an empty database
}

var tracks = []track{
	{name: "operations", title: "Operations", url: servertest.PostgresURL},
	{name: "postgres", title: "PostgreSQL", phased: true, url: servertest.PostgresURL},
	{name: "mariadb", title: "MariaDB", phased: true, mysql: true, url: servertest.MariaDBURL},
}

// release is how the n-th release sees the database.
func (k track) release(n int) shape.Release {
	return shape.Release{Number: n, MySQL: k.mysql, Phased: k.phased}
}

// files are those of the migrations from one to another, by their names.
func (k track) files(t testing.TB, from, to int) []string {
	t.Helper()
	var all []string
	for n := from; n <= to; n++ {
		some, err := filepath.Glob(filepath.Join("testdata", k.name, fmt.Sprintf("%04d_*", n)))
		if err != nil || len(some) == 0 {
			t.Fatalf("no migration %d: %v", n, err)
		}
		all = append(all, some...)
	}
	return all
}

// A site is the shop as it is deployed, with all who visit it.
type site struct {
	*harness.World
	track
	url   string
	at    int // the release that serves
	agent *harness.Agent
	drill *harness.Drill
	crowd *crowd
}

// open deploys the first release, fills its tables, and lets visitors in.
func open(t *testing.T, k track) *site {
	t.Helper()
	s := &site{World: harness.NewWith(t, segue(t)), track: k, url: k.url(t)}
	s.Copy(harness.Build(t, "shop", "./test/migrate/shop"), "bin/shop")
	s.Env = append(s.Env, "DATABASE_URL="+s.url)
	s.agent = s.Agent()
	s.write(shape.Shop)
	s.Must(0, "deploy")
	s.at = shape.Shop
	s.contract()
	s.seed()
	s.drill = s.Drill(50, func(p *drill.Plan) { p.URL += "/look" })
	s.crowd = newCrowd(t, s.URL())
	s.crowd.compare(s.release(s.at), "at the beginning")
	return s
}

// segue is the program as users get it: most of the time goes into starting it. With
// SEGUE_SOAK=1 it is the one that is watched by the race detector.
func segue(t *testing.T) string {
	if harness.Soak() {
		return harness.Segue(t)
	}
	return harness.SegueFast(t)
}

// write makes the project that of the n-th release.
func (s *site) write(n int) {
	s.T.Helper()
	if err := os.RemoveAll(filepath.Join(s.Dir, "migrations")); err != nil {
		s.T.Fatal(err)
	}
	for _, f := range s.files(s.T, shape.Shop, n) {
		s.Copy(f, "migrations/"+filepath.Base(f))
	}
	phased := ""
	if s.phased {
		phased = "1"
	}
	s.Write("segue.yaml", fmt.Sprintf(`service: shop
listen: 127.0.0.1:%d
release: { files: [bin, migrations], command: bin/shop }
replicas: 2
strategy: { surge: 2 }
probes: { startup: { http: /ready, every: 50ms, failures: 200 }, readiness: { http: /ready } }
env: { DATABASE_URL: "${DATABASE_URL}", RELEASE: "%d", PHASED: %q }
migrate: { dir: migrations, url: DATABASE_URL, contract: manual, slowdown: 100%% }
`, s.Port, n, phased))
}

// forward deploys a release.
func (s *site) forward(n int) {
	s.T.Helper()
	s.write(n)
	s.Must(0, "deploy")
	s.at = n
}

// back puts the release before it back.
func (s *site) back(n int) {
	s.T.Helper()
	s.Must(0, "rollback")
	s.at = n
}

// contract is the command for which nobody waits until the way back is over.
var contract = []string{"migrate", "contract", "shop", "--now", "--why", "the test goes on"}

// contract takes away what only the releases before it needed.
func (s *site) contract() {
	s.T.Helper()
	s.Must(0, contract...)
}

// undo takes the open change back. Only what the release that has left alone knew
// may be lost, and only if that is said.
func (s *site) undo(from int) {
	s.T.Helper()
	r := s.Run("migrate", "rollback")
	if r.Code == 0 {
		return
	}
	s.T.Logf("segue migrate rollback: %s", r)
	s.Must(0, "migrate", "rollback", "--discard")
	if from < shape.AddColumn {
		s.crowd.forget("channel", "web")
	}
}

// check has some more written, and compares everything with what was acknowledged.
func (s *site) check(when string) {
	s.T.Helper()
	s.crowd.more(s.World, 20)
	s.crowd.compare(s.release(s.at), when)
}

// close sends the visitors home, and says what they have lost.
func (s *site) close() {
	s.T.Helper()
	s.crowd.none()
	s.drill.None()
	s.keepsSecrets()
}

// keepsSecrets: the database's password is in no command line, and in nothing that
// was written, but for the environments that the agent gives to instances.
func (s *site) keepsSecrets() {
	s.T.Helper()
	s.showsNoPassword()
	err := filepath.WalkDir(filepath.Dir(s.State), func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // it was in use a moment ago
			return nil
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{"env", "trees", "bin"}, d.Name()):
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(s.password())) {
			s.T.Errorf("%s holds the database's password", path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.T.Error(err)
	}
}

// showsNoPassword looks at the command lines of what runs now.
func (s *site) showsNoPassword() {
	s.T.Helper()
	if s.Running(s.password()) > 0 {
		s.T.Error("the database's password is in a command line")
	}
}

func (s *site) password() string {
	u, err := url.Parse(s.url)
	if err != nil {
		s.T.Fatal(err)
	}
	password, _ := u.User.Password()
	return password
}

// kinds are the names of the migrations from one to another: "add column, unique".
func (k track) kinds(t testing.TB, from, to int) string {
	t.Helper()
	var all []string
	for n := from; n <= to; n++ {
		name := filepath.Base(k.files(t, n, n)[0])
		name, _, _ = strings.Cut(name[len("0000_"):], ".")
		all = append(all, strings.ReplaceAll(name, "_", " "))
	}
	return strings.Join(all, ", ")
}
