//go:build kubernetes

package migrate_test

import (
	"strings"
	"testing"

	"github.com/seguehq/segue/drill"
)

// A release with a column of another type is deployed, rolled back, and deployed
// again by one who is killed while its Job expands; then the old form is taken
// away, for which the next deploy does not wait to be asked. Nobody loses a request
// or a price, whichever release wrote it.
func TestADatabaseChangesWithItsReleasesAndBackAndForthUnderADrill(t *testing.T) {
	w := newWorld(t)
	w.release(1, "")
	w.says(w.Must(0, "deploy").Out, "expand 0001_items", "expanded:", "backfilled:")
	w.put(1, "199")
	w.finds("at the beginning", "1=199")
	d := w.Drill("shop", 20, w.From("kn1"), func(p *drill.Plan) { p.URL += "/prices" })

	// The first release has nobody to go back to: its contract is due at once.
	w.says(w.Must(0, "status").Out, "contract of 0001_items due since")
	w.release(2, "")
	w.says(w.Must(0, "deploy").Out, "contract 0001_items", "contracted:", "expand 0002_price", "expanded:", "backfilled:")
	w.put(2, "2.50")
	w.finds("after the deploy", "1=1.99 2=2.50")
	w.says(w.Must(0, "status").Out, "contract of 0002_price in")
	w.says(w.Must(5, "migrate", "contract").Err, "the way back to a release without 0002_price is promised")

	w.Must(0, "rollback")
	w.put(3, "300")
	w.finds("after the rollback", "1=199 2=250 3=300")

	w.killed("expand 0002_price")
	w.says(w.Must(0, "deploy").Out, "going on with rollout")
	w.finds("after a deploy whose deployer was killed", "1=1.99 2=2.50 3=3.00")
	d.More(20)

	w.says(w.Must(0, "migrate", "contract", "--now", "--why", "the test goes on").Out, "the contract of 0002_price is done")
	w.finds("after the contract", "1=1.99 2=2.50 3=3.00")
	if said := w.Run("rollback").Err; !strings.Contains(said, "release 1 of shop does not have 0002_price") {
		t.Errorf("a rollback after the contract says %q", said)
	}

	// What would break the release that runs is refused, and why is told.
	w.release(2, "strategy: { min_ready: 1s }")
	w.Write("migrations/0003_bad.expand.sql", "ALTER TABLE items DROP COLUMN price;\n")
	w.says(w.Must(3, "deploy").Out, "0003_bad.expand.sql:1: refused: drop-column", "the gate refuses 1 statement", "release 2 is back")
	w.finds("after a deploy that was refused", "1=1.99 2=2.50 3=3.00")
	d.More(20)
	d.None()
	w.says(w.Must(0, "history").Out, "contract", "the way back that was promised", "due before the deploy of release 2")
	w.secret()
}

// says fails the test unless all of these are told.
func (w world) says(text string, want ...string) {
	w.T.Helper()
	for _, part := range want {
		if !strings.Contains(text, part) {
			w.T.Errorf("%q is not in:\n%s", part, text)
		}
	}
}

// killed has a deployer deploy, and kills it as soon as the Job of a stage is made.
func (w world) killed(stage string) {
	w.T.Helper()
	c := w.Background("deploy")
	w.Until("the deployer's Job is there", func() bool {
		return strings.Contains(w.Kubectl("get", "jobs", "--output=name", "--field-selector=status.successful=0"), "shop-migrate-expand")
	})
	c.Kill()
	<-c.Over()
	w.says(c.Ran().Out, stage)
}

// secret fails the test if the database's password is anywhere but in Secrets.
func (w world) secret() {
	w.T.Helper()
	all := w.Kubectl("get", "configmaps,jobs,pods,deployments,events,leases", "--output=yaml")
	all += w.Must(0, "history", "--json").Out + w.Must(0, "releases", "--json").Out
	for _, v := range w.Env {
		_, after, ok := strings.Cut(v, "DATABASE_URL=postgres://segue:")
		if password, _, _ := strings.Cut(after, "@"); ok && (password == "" || strings.Contains(all, password)) {
			w.T.Errorf("the password %q is told", password)
		}
	}
}
